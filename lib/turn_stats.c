/* SPDX-License-Identifier: MIT */
/*
 * Counts the turns of a dispatcher.
 */
#include "config.h"

#include "turn_stats.h"

#include "counter.h"

const uint32_t turn_stats_bounds_us[TURN_STATS_BOUNDS] = {
	100, 500, 1000, 5000, 10000, 50000, 100000, 500000, 1000000, 5000000,
};

void turn_stats_count(struct turn_stats *stats, uint64_t busy_ns)
{
	unsigned i = 0;

	/* Almost all turns are within the first bound. */
	while (i < TURN_STATS_BOUNDS &&
	       busy_ns > turn_stats_bounds_us[i] * UINT64_C(1000))
		i++;
	counter_add(&stats->turns, 1);
	counter_add(&stats->busy_ns, busy_ns);
	counter_add(&stats->lasted[i], 1);
}
