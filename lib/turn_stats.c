/* SPDX-License-Identifier: MIT */
/*
 * Counts turns. When a turn begins and ends is the dispatcher's to know.
 */
#include "config.h"

#include "turn_stats.h"

const uint32_t turn_stats_bounds_us[TURN_STATS_BOUNDS] = {
	100, 500, 1000, 5000, 10000, 50000, 100000, 500000, 1000000, 5000000,
};

/* Another thread may be reading: written whole, without a locked cycle. */
static void add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

void turn_stats_count(struct turn_stats *stats, uint64_t busy_ns)
{
	unsigned i = 0;

	/* Nearly all end at the first. */
	while (i < TURN_STATS_BOUNDS &&
	       busy_ns > turn_stats_bounds_us[i] * UINT64_C(1000))
		i++;
	add(&stats->turns, 1);
	add(&stats->busy_ns, busy_ns);
	add(&stats->lasted[i], 1);
}
