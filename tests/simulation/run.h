/* SPDX-License-Identifier: MIT */
/*
 * One seed from the start of its machines to their end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct run_counts {
	uint64_t steps, accepted, lines, reloads;
};

/* How many machines there are in the next seeds; 1 by default. */
void run_set_machines(unsigned count);

/* Runs a seed; a violated invariant ends the program. Adds to the counts.
 * Returns the hash of its trace. */
uint64_t run_seed(uint64_t seed, bool shown, struct run_counts *counts);
