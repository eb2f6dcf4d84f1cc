/* SPDX-License-Identifier: MIT */
/*
 * The load of a dispatcher: the number of its turns, the time that it worked in
 * them, and a histogram of their length, which is how long an event may have
 * had to wait. The time in which the dispatcher waits for events is not
 * included.
 */
#pragma once

#include <stdint.h>

#include <lined/dispatcher.h>

#define TURN_STATS_BOUNDS 10

/* The numbers only grow. The dispatcher's thread writes them; any other may
 * read them with relaxed atomic loads. */
struct turn_stats {
	uint64_t turns;
	uint64_t busy_ns;
	/* Turns that lasted at most bounds[i], and longer than bounds[i - 1];
	 * in the last place, longer than all bounds. */
	uint64_t lasted[TURN_STATS_BOUNDS + 1];
};

extern const uint32_t turn_stats_bounds_us[TURN_STATS_BOUNDS];

/* Counts a turn that worked for busy_ns. */
void turn_stats_count(struct turn_stats *stats, uint64_t busy_ns);

/* Valid until the dispatcher is freed. MT-safe. */
const struct turn_stats *dispatcher_turns(const struct lined_dispatcher *d);
