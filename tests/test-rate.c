/* SPDX-License-Identifier: MIT */
/*
 * The token bucket: bursts, waiting, and changes of the rate.
 */
#include "config.h"

#include <lined/rate.h>

#include <check.h>

#include "support.h"

enum { START_MS = 5000 };

static void take(struct lined_rate *rate, uint32_t per_second, unsigned count)
{
	while (count-- > 0)
		lined_rate_take(rate, per_second, START_MS);
}

START_TEST(a_burst_is_there_at_once_and_then_the_rate)
{
	struct lined_rate rate = {0};
	uint64_t now_ms = START_MS;
	int i;

	for (i = 0; i < 20; i++) {
		ck_assert_uint_eq(lined_rate_wait_ms(&rate, 5, 20, now_ms), 0);
		lined_rate_take(&rate, 5, now_ms);
	}
	for (i = 0; i < 20; i++) {
		ck_assert_uint_eq(lined_rate_wait_ms(&rate, 5, 20, now_ms),
				  200);
		now_ms += 200;
		ck_assert_uint_eq(lined_rate_wait_ms(&rate, 5, 20, now_ms), 0);
		lined_rate_take(&rate, 5, now_ms);
	}
}
END_TEST

START_TEST(a_burst_of_0_is_what_comes_in_a_second)
{
	struct lined_rate rate = {0};

	take(&rate, 3, 2);
	ck_assert_uint_eq(lined_rate_wait_ms(&rate, 3, 0, START_MS), 0);
	take(&rate, 3, 1);
	/* 333.333 ms, rounded up */
	ck_assert_uint_eq(lined_rate_wait_ms(&rate, 3, 0, START_MS), 334);
}
END_TEST

START_TEST(a_rate_of_0_limits_nothing)
{
	struct lined_rate rate = {0};

	take(&rate, 0, 1000);
	ck_assert_uint_eq(lined_rate_wait_ms(&rate, 0, 1, START_MS), 0);
	ck_assert(lined_rate_is_full(&rate, START_MS));
}
END_TEST

START_TEST(the_bucket_fills_up_to_its_burst_only)
{
	struct lined_rate rate = {0};

	take(&rate, 10, 5);
	ck_assert(!lined_rate_is_full(&rate, START_MS + 499));
	ck_assert(lined_rate_is_full(&rate, START_MS + 500));
	lined_rate_take(&rate, 10, 1000 * START_MS);
	ck_assert_uint_eq(lined_rate_wait_ms(&rate, 10, 1, 1000 * START_MS),
			  100);
}
END_TEST

START_TEST(a_faster_rate_forgives_what_the_slower_one_was_owed)
{
	struct lined_rate rate = {0};

	take(&rate, 1, 100);
	ck_assert_uint_eq(lined_rate_wait_ms(&rate, 100, 1, START_MS), 10);
	ck_assert_uint_eq(lined_rate_wait_ms(&rate, 100, 1, START_MS + 10), 0);
}
END_TEST

START_TEST(the_largest_numbers_do_not_overflow)
{
	struct lined_rate rate = {0};

	lined_rate_take(&rate, UINT32_MAX, START_MS);
	ck_assert_uint_eq(
		lined_rate_wait_ms(&rate, UINT32_MAX, UINT32_MAX, START_MS), 0);
	lined_rate_take(&rate, 1, START_MS);
	ck_assert_uint_eq(lined_rate_wait_ms(&rate, 1, UINT32_MAX, START_MS),
			  0);
}
END_TEST

static Suite *rate_suite(void)
{
	Suite *suite = suite_create("rate");
	TCase *tcase = tcase_create("rate");

	tcase_add_test(tcase, a_burst_is_there_at_once_and_then_the_rate);
	tcase_add_test(tcase, a_burst_of_0_is_what_comes_in_a_second);
	tcase_add_test(tcase, a_rate_of_0_limits_nothing);
	tcase_add_test(tcase, the_bucket_fills_up_to_its_burst_only);
	tcase_add_test(tcase,
		       a_faster_rate_forgives_what_the_slower_one_was_owed);
	tcase_add_test(tcase, the_largest_numbers_do_not_overflow);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return support_main_once(rate_suite);
}
