/* SPDX-License-Identifier: MIT */
/*
 * Allocations that fail when a suite says so. The suite is linked with
 * -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc.
 */
#pragma once

#include <stdbool.h>

/*
 * Counts the allocations of this thread from now on. The allocation with this
 * number, counted from 1, fails with ENOMEM; if `lasting`, all later ones fail,
 * too. 0: no allocation fails, and none is counted.
 */
void allocation_fail(unsigned long number, bool lasting);

/* How many allocations were counted, failed ones included. */
unsigned long allocation_count(void);

/* Counts an allocation of another function. Returns whether it must fail. */
bool allocation_fails(void);
