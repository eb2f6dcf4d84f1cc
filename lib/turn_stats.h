/* SPDX-License-Identifier: MIT */
/*
 * How busy a dispatcher is: its turns, how long it worked in them, and how
 * many lasted how long, which is what an event that came meanwhile had to wait.
 * What it cost to wait for events is not in it.
 */
#ifndef TURN_STATS_H
#define TURN_STATS_H

#include <stdint.h>

#include <lined/dispatcher.h>

#define TURN_STATS_BOUNDS 10

/* Only grows. Written by the dispatcher's thread; another may read it at any
 * time with relaxed atomic loads. */
struct turn_stats {
	uint64_t turns;
	uint64_t busy_ns;
	/* Turns that lasted at most bounds[i], and longer than the one before;
	 * the last: longer than all of them. */
	uint64_t lasted[TURN_STATS_BOUNDS + 1];
};

extern const uint32_t turn_stats_bounds_us[TURN_STATS_BOUNDS];

/* A turn is over. */
void turn_stats_count(struct turn_stats *stats, uint64_t busy_ns);

/* Valid as long as the dispatcher is. MT-safe. */
const struct turn_stats *dispatcher_turns(const struct lined_dispatcher *d);

#endif
