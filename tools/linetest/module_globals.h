/* SPDX-License-Identifier: MIT */
/*
 * Finds the writable global variables of protocol modules: all workers share
 * them without a lock. The symbols of a stripped module are not known.
 */
#pragma once

#include "linetest/bytes.h"

/* Adds a line for each module in a directory that has such variables: "FILE: a,
 * b". */
void module_globals_find(const char *dir, struct bytes *found);
