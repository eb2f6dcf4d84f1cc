/* SPDX-License-Identifier: MIT */
/*
 * One seed from the start of a server to its end.
 */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "config/conf.h"

struct run_counts {
	uint64_t steps, accepted, lines, reloads;
};

/* Loads the modules of echo, chat and relay from a directory. */
void run_open(const char *module_dir);
void run_close(void);

/* The id of the one service of a port; 0: none, or several, one of which ends.
 */
uint64_t run_service_of(uint16_t port);

/* Runs a seed; a violated invariant ends the program. Adds to the counts.
 * Returns the hash of its trace. */
uint64_t run_seed(uint64_t seed, bool shown, struct run_counts *counts);

#endif
