/* SPDX-License-Identifier: MIT */
/*
 * Penalties: how long they are, when they double and are forgotten, and that a
 * flood of addresses takes bounded memory. The test sets the time.
 */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "net/penalty.h"
#include "support.h"

#define NOW_MS 1000000

static const struct penalty_limits limits = {.first_ms = 1000, .max_ms = 5000};

static struct lined_address address_of(const char *text)
{
	struct lined_address address;

	ck_assert_int_eq(lined_address_parse(&address, text), 0);
	return address;
}

static uint32_t add(struct penalties *penalties, const char *text,
		    uint64_t now_ms)
{
	struct lined_address address = address_of(text);

	return penalties_add(penalties, &limits, &address.any, now_ms, "test");
}

static bool hold(struct penalties *penalties, const char *text, uint64_t now_ms)
{
	struct lined_address address = address_of(text);

	return penalties_hold(penalties, &limits, &address.any, now_ms, NULL);
}

START_TEST(a_penalty_ends_and_doubles_up_to_the_maximum)
{
	static const uint32_t lengths[] = {1000, 2000, 4000, 5000, 5000};
	struct penalties *penalties = penalties_new();
	uint64_t now_ms = NOW_MS;

	for (size_t i = 0; i < 5; i++) {
		ck_assert_uint_eq(add(penalties, "192.0.2.1", now_ms),
				  lengths[i]);
		now_ms += lengths[i];
		ck_assert(hold(penalties, "192.0.2.1", now_ms - 1));
		ck_assert(!hold(penalties, "192.0.2.1", now_ms));
	}
	penalties_free(penalties);
}
END_TEST

START_TEST(an_exempt_address_is_let_in_beside_an_offender)
{
	static const char *const networks[] = {"2001:db8::10"};
	struct lined_network exempt;
	struct penalty_limits some = limits;
	struct lined_address offender = address_of("2001:db8::bad");
	struct lined_address monitor = address_of("2001:db8::10");
	struct penalties *penalties = penalties_new();

	ck_assert_int_eq(lined_network_parse(&exempt, networks[0]), 0);
	some.exempt = &exempt;
	some.exempt_count = 1;
	ck_assert_uint_eq(
		penalties_add(penalties, &some, &offender.any, NOW_MS, "test"),
		1000);
	ck_assert(
		penalties_hold(penalties, &some, &offender.any, NOW_MS, NULL));
	ck_assert(
		!penalties_hold(penalties, &some, &monitor.any, NOW_MS, NULL));
	penalties_free(penalties);
}
END_TEST

START_TEST(causes_while_it_runs_do_not_prolong_it)
{
	struct penalties *penalties = penalties_new();

	ck_assert_uint_eq(add(penalties, "192.0.2.1", NOW_MS), 1000);
	ck_assert_uint_eq(add(penalties, "192.0.2.1", NOW_MS + 999), 0);
	/* Another thread's clock is a little behind. */
	ck_assert_uint_eq(add(penalties, "192.0.2.1", NOW_MS - 5), 0);
	ck_assert(hold(penalties, "192.0.2.1", NOW_MS - 5));
	ck_assert(!hold(penalties, "192.0.2.1", NOW_MS + 1000));
	penalties_free(penalties);
}
END_TEST

START_TEST(ten_times_its_length_in_peace_and_it_is_forgotten)
{
	struct penalties *penalties = penalties_new();
	uint64_t now_ms = NOW_MS;

	ck_assert_uint_eq(add(penalties, "192.0.2.1", now_ms), 1000);
	now_ms += 1000 + 10 * 1000 - 1;
	ck_assert_uint_eq(add(penalties, "192.0.2.1", now_ms), 2000);
	now_ms += 2000 + 10 * 2000;
	ck_assert_uint_eq(add(penalties, "192.0.2.1", now_ms), 1000);
	penalties_free(penalties);
}
END_TEST

START_TEST(neighbours_are_not_penalized)
{
	struct penalties *penalties = penalties_new();

	add(penalties, "192.0.2.1", NOW_MS);
	add(penalties, "2001:db8::1", NOW_MS);
	add(penalties, "fe80::1", NOW_MS);
	ck_assert(hold(penalties, "::ffff:192.0.2.1", NOW_MS));
	ck_assert(!hold(penalties, "192.0.2.2", NOW_MS));
	ck_assert(hold(penalties, "2001:db8::ffff", NOW_MS));
	ck_assert(!hold(penalties, "2001:db8:0:1::1", NOW_MS));
	ck_assert(!hold(penalties, "fe80::2", NOW_MS));
	ck_assert_uint_eq(add(penalties, "unix", NOW_MS), 0);
	ck_assert_uint_eq(penalties_count(penalties, NOW_MS), 3);
	ck_assert_uint_eq(penalties_count(penalties, NOW_MS + 1000), 0);
	penalties_free(penalties);
}
END_TEST

START_TEST(exempt_networks_are_never_penalized)
{
	struct lined_network network;
	struct penalty_limits exempt = {
		.first_ms = 1000,
		.max_ms = 1000,
		.exempt = &network,
		.exempt_count = 1,
	};
	struct lined_address in = address_of("192.0.2.1");
	struct lined_address out = address_of("198.51.100.1");
	struct penalties *penalties = penalties_new();

	lined_network_parse(&network, "192.0.2.0/24");
	ck_assert_uint_eq(
		penalties_add(penalties, &exempt, &in.any, NOW_MS, "test"), 0);
	ck_assert_uint_eq(
		penalties_add(penalties, &exempt, &out.any, NOW_MS, "test"),
		1000);
	exempt.first_ms = 0;
	out = address_of("198.51.100.2");
	ck_assert_uint_eq(
		penalties_add(penalties, &exempt, &out.any, NOW_MS, "test"), 0);
	penalties_free(penalties);
}
END_TEST

START_TEST(forgiving_forgets)
{
	struct lined_address address = address_of("192.0.2.1");
	struct penalties *penalties = penalties_new();
	struct penalty_ruling ruling;

	ck_assert(!penalties_forgive(penalties, &address.any, NOW_MS, &ruling));
	add(penalties, "192.0.2.1", NOW_MS);
	ck_assert(penalties_forgive(penalties, &address.any, NOW_MS + 400,
				    &ruling));
	ck_assert_uint_eq(ruling.left_ms, 600);
	ck_assert_uint_eq(ruling.length_ms, 1000);
	ck_assert_str_eq(ruling.cause, "test");
	ck_assert(!hold(penalties, "192.0.2.1", NOW_MS + 400));
	ck_assert_uint_eq(add(penalties, "192.0.2.1", NOW_MS + 400), 1000);
	penalties_free(penalties);
}
END_TEST

static const struct penalty_limits *shorter(void *arg,
					    const struct sockaddr *address)
{
	static const struct penalty_limits off = {.first_ms = 0};
	static const struct penalty_limits on = {.first_ms = 10, .max_ms = 500};

	return address->sa_family == AF_INET ? &on : &off;
}

START_TEST(changed_limits_shorten_and_end_penalties)
{
	struct penalties *penalties = penalties_new();

	add(penalties, "192.0.2.1", NOW_MS);
	add(penalties, "2001:db8::1", NOW_MS);
	penalties_revise(penalties, shorter, NULL);
	ck_assert(hold(penalties, "192.0.2.1", NOW_MS + 499));
	ck_assert(!hold(penalties, "192.0.2.1", NOW_MS + 500));
	ck_assert(!hold(penalties, "2001:db8::1", NOW_MS));
	penalties_free(penalties);
}
END_TEST

/* The oldest penalties make room for new ones: the table does not grow beyond
 * its bound. */
START_TEST(a_flood_of_prefixes_is_bounded)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6};
	struct penalties *penalties = penalties_new();
	uint32_t i, number;

	add(penalties, "192.0.2.1", NOW_MS);
	for (i = 0; i < 2 * PENALTIES_MAX; i++) {
		number = htonl(i);
		memcpy(address.sin6_addr.s6_addr + 4, &number, 4);
		ck_assert_uint_eq(penalties_add(penalties, &limits,
						(struct sockaddr *)&address,
						NOW_MS, "test"),
				  1000);
		if (i == PENALTIES_MAX - 2)
			ck_assert(hold(penalties, "192.0.2.1", NOW_MS));
	}
	ck_assert_uint_eq(penalties_count(penalties, NOW_MS), PENALTIES_MAX);
	ck_assert(!hold(penalties, "192.0.2.1", NOW_MS));
	ck_assert(penalties_hold(penalties, &limits,
				 (struct sockaddr *)&address, NOW_MS, NULL));
	/* An expired penalty takes no memory. */
	ck_assert_uint_eq(penalties_count(penalties, NOW_MS + 11000), 0);
	add(penalties, "192.0.2.1", NOW_MS + 11000);
	ck_assert_uint_eq(penalties_count(penalties, NOW_MS + 11000), 1);
	penalties_free(penalties);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("penalty");
	TCase *tcase = support_case(suite, "penalties");

	tcase_add_test(tcase, a_penalty_ends_and_doubles_up_to_the_maximum);
	tcase_add_test(tcase, causes_while_it_runs_do_not_prolong_it);
	tcase_add_test(tcase, an_exempt_address_is_let_in_beside_an_offender);
	tcase_add_test(tcase,
		       ten_times_its_length_in_peace_and_it_is_forgotten);
	tcase_add_test(tcase, neighbours_are_not_penalized);
	tcase_add_test(tcase, exempt_networks_are_never_penalized);
	tcase_add_test(tcase, forgiving_forgets);
	tcase_add_test(tcase, changed_limits_shorten_and_end_penalties);
	tcase_add_test(tcase, a_flood_of_prefixes_is_bounded);
	return suite;
}

int main(void)
{
	return support_main_once(make_suite);
}
