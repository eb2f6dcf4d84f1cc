/* SPDX-License-Identifier: MIT */
/*
 * The account between the machines of a cluster: each line arrives or is
 * counted as lost; at rest all have the same names, one primary, and nothing
 * waits.
 */
#pragma once

#include <stdbool.h>

struct machine;
struct peer;

void account_begin(void);

/* To be called at each step: which machines know each other from now on. */
void account_look(void);

/* Whether the machine was primary before another one became it. */
bool account_was_primary(const struct machine *machine);

/* A peer has not heard a line that it should have, of a peer of its machine
 * (violated()) or of another: then it must be among the lines that are counted
 * as lost. */
void account_miss(const struct peer *peer, const struct peer *speaker,
		  unsigned number);

/* Every machine knows the same names. */
void account_check_names(void);
/* When all links were whole for long and nothing moves. Behind all
 * account_miss(). */
void account_check(void);
