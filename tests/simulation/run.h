/* SPDX-License-Identifier: MIT */
/*
 * Runs one seed, from the start of its machines to their end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct run_counts {
	uint64_t steps, accepted, lines, reloads;
};

/* Sets how many machines the next seeds have; 1 by default. */
void run_set_machines(unsigned count);

/* Runs a seed; a violated invariant ends the program. Adds to the counts.
 * Returns the hash of the trace. */
uint64_t run_seed(uint64_t seed, bool shown, struct run_counts *counts);
