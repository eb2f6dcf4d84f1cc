/* SPDX-License-Identifier: MIT */
/*
 * The load that a dispatcher reports: which bucket counts a turn, and that
 * waiting time is not counted.
 */
#include "config.h"

#include <time.h>

#include "dispatcher_watch.h"
#include "support.h"

static uint64_t all(const struct turn_stats *stats)
{
	uint64_t total = 0;
	unsigned i;

	for (i = 0; i <= TURN_STATS_BOUNDS; i++)
		total += stats->lasted[i];
	return total;
}

START_TEST(a_turn_counts_below_the_first_bound_that_it_keeps)
{
	struct turn_stats stats = {0};
	unsigned i;

	for (i = 0; i < TURN_STATS_BOUNDS; i++) {
		uint64_t bound_ns = turn_stats_bounds_us[i] * UINT64_C(1000);

		turn_stats_count(&stats, bound_ns);
		ck_assert_uint_eq(stats.lasted[i], 1);
		turn_stats_count(&stats, bound_ns + 1);
		ck_assert_uint_eq(stats.lasted[i + 1], 1);
		stats.lasted[i + 1] = 0;
	}
	ck_assert_uint_eq(stats.turns, 2 * TURN_STATS_BOUNDS);
	turn_stats_count(&stats, 0);
	ck_assert_uint_eq(stats.lasted[0], 2);
}
END_TEST

START_TEST(the_bounds_grow)
{
	unsigned i;

	for (i = 1; i < TURN_STATS_BOUNDS; i++)
		ck_assert_uint_gt(turn_stats_bounds_us[i],
				  turn_stats_bounds_us[i - 1]);
}
END_TEST

static void work(struct lined_timer *timer)
{
	const struct timespec time = {0, 20000000};

	nanosleep(&time, NULL);
}

START_TEST(work_is_counted_and_waiting_is_not)
{
	struct lined_dispatcher *d = support_dispatcher();
	const struct turn_stats *stats = dispatcher_turns(d);
	struct lined_timer timer;
	uint64_t begin_ms = support_now_ms(), took_ns;

	lined_timer_init(&timer, d, work);
	ck_assert_int_eq(lined_timer_start(&timer, 50, 0), 0);
	lined_dispatcher_open_mailbox(d);
	while (stats->busy_ns < 20000000) {
		ck_assert_int_eq(lined_dispatcher_poll(d, 1000), 1);
		/* A turn is counted when the next one begins. */
		lined_dispatcher_wake(d);
	}
	took_ns = (support_now_ms() + 1 - begin_ms) * 1000000;
	/* The 50 ms before the timer were spent waiting. */
	ck_assert_uint_le(stats->busy_ns, took_ns - 45 * 1000000);
	ck_assert_uint_eq(all(stats), stats->turns);
	/* One turn lasted longer than 10 ms. */
	ck_assert_uint_gt(stats->turns, stats->lasted[0] + stats->lasted[1] +
						stats->lasted[2] +
						stats->lasted[3] +
						stats->lasted[4]);
	lined_dispatcher_free(d);
}
END_TEST

static Suite *make(void)
{
	Suite *suite = suite_create("turn_stats");
	TCase *tcase = support_case(suite, "turn_stats");

	tcase_add_test(tcase,
		       a_turn_counts_below_the_first_bound_that_it_keeps);
	tcase_add_test(tcase, the_bounds_grow);
	tcase_add_test(tcase, work_is_counted_and_waiting_is_not);
	return suite;
}

int main(void)
{
	return support_main(make);
}
