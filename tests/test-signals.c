/* SPDX-License-Identifier: MIT */
/*
 * Signals as events of a dispatcher. Each test raises them in its own process,
 * before the dispatcher looks.
 */
#include "config.h"

#include "system/signals.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>

#include "support.h"

/* More than a pipe has bytes. */
#define FLOOD 100000

static struct lined_dispatcher *dispatcher;
static struct signals signals;
static int seen[8];
static size_t seen_count;

static void see(struct signals *s, int number)
{
	ck_assert_ptr_eq(s, &signals);
	ck_assert_uint_lt(seen_count, sizeof(seen) / sizeof(seen[0]));
	seen[seen_count++] = number;
}

static void setup(void)
{
	seen_count = 0;
	dispatcher = support_dispatcher();
	ck_assert_int_eq(signals_start(&signals, dispatcher, see), 0);
}

static void teardown(void)
{
	signals_stop(&signals);
	lined_dispatcher_free(dispatcher);
}

static void turn(void)
{
	ck_assert_int_ge(lined_dispatcher_poll(dispatcher, 0), 0);
}

START_TEST(each_turn_handles_one_in_order)
{
	raise(SIGHUP);
	raise(SIGUSR1);
	raise(SIGTERM);
	turn();
	ck_assert_uint_eq(seen_count, 1);
	turn();
	turn();
	turn();
	ck_assert_uint_eq(seen_count, 3);
	ck_assert_int_eq(seen[0], SIGHUP);
	ck_assert_int_eq(seen[1], SIGUSR1);
	ck_assert_int_eq(seen[2], SIGTERM);
}
END_TEST

START_TEST(a_flood_hides_no_other_signal)
{
	int i;

	for (i = 0; i < FLOOD; i++)
		raise(SIGHUP);
	raise(SIGTERM);
	for (i = 0; i < 4; i++)
		turn();
	ck_assert_uint_eq(seen_count, 2);
	ck_assert_int_eq(seen[0], SIGHUP);
	ck_assert_int_eq(seen[1], SIGTERM);
}
END_TEST

START_TEST(a_signal_after_the_first_was_handled_counts)
{
	raise(SIGHUP);
	turn();
	raise(SIGHUP);
	turn();
	ck_assert_uint_eq(seen_count, 2);
}
END_TEST

static void see_and_raise(struct signals *s, int number)
{
	see(s, number);
	if (seen_count == 1)
		raise(SIGHUP);
}

START_TEST(a_signal_while_the_first_is_handled_counts)
{
	signals.handle = see_and_raise;
	raise(SIGHUP);
	turn();
	turn();
	ck_assert_uint_eq(seen_count, 2);
}
END_TEST

START_TEST(signals_that_were_not_handled_are_forgotten)
{
	raise(SIGHUP);
	signals_stop(&signals);
	ck_assert_int_eq(signals_start(&signals, dispatcher, see), 0);
	turn();
	ck_assert_uint_eq(seen_count, 0);
	raise(SIGHUP);
	turn();
	ck_assert_uint_eq(seen_count, 1);
}
END_TEST

static Suite *signals_suite(void)
{
	Suite *suite = suite_create("signals");
	TCase *tc = support_case(suite, "signals");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, each_turn_handles_one_in_order);
	tcase_add_test(tc, a_flood_hides_no_other_signal);
	tcase_add_test(tc, a_signal_after_the_first_was_handled_counts);
	tcase_add_test(tc, a_signal_while_the_first_is_handled_counts);
	tcase_add_test(tc, signals_that_were_not_handled_are_forgotten);
	return suite;
}

int main(void)
{
	return support_main(signals_suite);
}
