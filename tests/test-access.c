/* SPDX-License-Identifier: MIT */
/*
 * Networks and access rules: what is one, what is in one, and which of two
 * rules wins.
 */
#include "config.h"

#include "net/access.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "address.h"

/* The address as a static, whatever its family. */
static const struct sockaddr *at(const char *host)
{
	static struct sockaddr_storage address;
	socklen_t len;

	ck_assert_int_eq(address_parse(host, 5123, &address, &len), 0);
	return (const struct sockaddr *)&address;
}

static struct network network(const char *text)
{
	struct network n;

	ck_assert_int_eq(network_parse(text, &n), NETWORK_OK);
	return n;
}

START_TEST(address_is_in_its_network_only)
{
	struct network n = network("192.0.2.0/24");

	ck_assert(network_contains(&n, at("192.0.2.0")));
	ck_assert(network_contains(&n, at("192.0.2.255")));
	ck_assert(!network_contains(&n, at("192.0.3.0")));
	ck_assert(!network_contains(&n, at("2001:db8::1")));
}
END_TEST

START_TEST(prefix_need_not_end_at_a_byte)
{
	struct network n = network("10.32.0.0/11");
	struct network n6 = network("2001:db8:8000::/33");

	ck_assert(network_contains(&n, at("10.63.255.255")));
	ck_assert(!network_contains(&n, at("10.64.0.0")));
	ck_assert(!network_contains(&n, at("10.31.255.255")));
	ck_assert(network_contains(&n6, at("2001:db8:ffff::1")));
	ck_assert(!network_contains(&n6, at("2001:db8:7fff::1")));
}
END_TEST

START_TEST(prefix_of_zero_is_everyone_of_the_family)
{
	struct network n = network("0.0.0.0/0");

	ck_assert(network_contains(&n, at("255.255.255.255")));
	ck_assert(!network_contains(&n, at("::1")));
}
END_TEST

START_TEST(address_without_prefix_is_itself)
{
	struct network n = network("2001:db8::1");

	ck_assert_uint_eq(n.prefix, 128);
	ck_assert(network_contains(&n, at("2001:db8::1")));
	ck_assert(!network_contains(&n, at("2001:db8::2")));
}
END_TEST

START_TEST(mapped_addresses_count_as_ipv4)
{
	struct network n = network("192.0.2.0/24");
	struct network mapped = network("::ffff:192.0.2.0/120");

	ck_assert(network_contains(&n, at("::ffff:192.0.2.7")));
	ck_assert(network_equal(&n, &mapped));
	ck_assert(network_contains(&mapped, at("192.0.2.7")));
}
END_TEST

START_TEST(host_bits_are_cleared_and_told)
{
	struct network n, clean = network("10.0.0.0/9");

	ck_assert_int_eq(network_parse("10.0.0.1/9", &n), NETWORK_HOST_BITS);
	ck_assert(network_equal(&n, &clean));
}
END_TEST

START_TEST(what_is_no_network_is_refused)
{
	static const char *const bad[] = {
		"",           "10",           "10.0.0.0/33", "10.0.0.0/",
		"10.0.0.0/x", "10.0.0.0/-1",  "10.0.0.0/08", "10.0.0.0/8 ",
		"::/129",     "10.0.0.256",   "localhost",   "*",
		"10.0.0/8",   "[::1]",        "::1%lo",      "10.0.0.0/0008",
		"010.0.0.1",  "10.0.0.0/8/8", "/8",          "fe80::1%1/64",
	};
	struct network n;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(network_parse(bad[i], &n) == NETWORK_BAD,
			      "\"%s\" was read", bad[i]);
}
END_TEST

START_TEST(longest_prefix_wins)
{
	struct network allow[] = {network("10.0.0.0/8"),
				  network("10.1.2.0/24")};
	struct network deny[] = {network("10.1.0.0/16")};
	struct access_rules rules = {allow, 2, deny, 1, true};

	ck_assert(access_rules_allow(&rules, at("10.9.9.9")));
	ck_assert(!access_rules_allow(&rules, at("10.1.9.9")));
	ck_assert(access_rules_allow(&rules, at("10.1.2.9")));
	ck_assert(!access_rules_allow(&rules, at("192.0.2.1")));
}
END_TEST

START_TEST(deny_wins_a_tie)
{
	struct network same[] = {network("10.0.0.0/8")};
	struct access_rules rules = {same, 1, same, 1, true};

	ck_assert(!access_rules_allow(&rules, at("10.0.0.1")));
}
END_TEST

START_TEST(without_allow_the_rest_is_allowed)
{
	struct network deny[] = {network("10.0.0.0/8")};
	struct access_rules rules = {NULL, 0, deny, 1, false};
	struct access_rules none = {NULL, 0, NULL, 0, false};

	ck_assert(!access_rules_allow(&rules, at("10.0.0.1")));
	ck_assert(access_rules_allow(&rules, at("192.0.2.1")));
	ck_assert(access_rules_allow(&none, at("::1")));
}
END_TEST

START_TEST(empty_allow_refuses_everyone_but_unix_clients)
{
	struct access_rules rules = {NULL, 0, NULL, 0, true};
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	ck_assert(!access_rules_allow(&rules, at("127.0.0.1")));
	ck_assert(access_rules_allow(&rules, (struct sockaddr *)&un));
}
END_TEST

START_TEST(ruling_names_what_decided)
{
	const struct network allow[] = {network("10.0.0.0/8"),
					network("10.1.2.3")};
	const struct network deny[] = {network("10.1.0.0/16"),
				       network("10.1.0.0/16")};
	const struct access_rules rules = {allow, 2, deny, 2, true};
	struct access_ruling ruling = access_rules_rule(&rules, at("10.9.9.9"));

	ck_assert(ruling.allowed);
	ck_assert_ptr_eq(ruling.network, &allow[0]);
	ruling = access_rules_rule(&rules, at("10.1.9.9"));
	ck_assert(!ruling.allowed);
	ck_assert_ptr_eq(ruling.network, &deny[0]);
	ruling = access_rules_rule(&rules, at("10.1.2.3"));
	ck_assert(ruling.allowed);
	ck_assert_ptr_eq(ruling.network, &allow[1]);
	ruling = access_rules_rule(&rules, at("192.0.2.1"));
	ck_assert(!ruling.allowed);
	ck_assert_ptr_null(ruling.network);
}
END_TEST

static void expect_text(const char *text)
{
	struct network n = network(text);
	char out[NETWORK_TEXT_MAX];

	ck_assert_str_eq(network_format(&n, out, sizeof(out)), text);
}

START_TEST(networks_are_written_as_they_are_read)
{
	expect_text("192.0.2.0/24");
	expect_text("192.0.2.7");
	expect_text("0.0.0.0/0");
	expect_text("2001:db8::/32");
	expect_text("::1");
	expect_text("::/0");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("network");
	TCase *tcase = tcase_create("network");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, address_is_in_its_network_only);
	tcase_add_test(tcase, prefix_need_not_end_at_a_byte);
	tcase_add_test(tcase, prefix_of_zero_is_everyone_of_the_family);
	tcase_add_test(tcase, address_without_prefix_is_itself);
	tcase_add_test(tcase, mapped_addresses_count_as_ipv4);
	tcase_add_test(tcase, host_bits_are_cleared_and_told);
	tcase_add_test(tcase, what_is_no_network_is_refused);
	tcase_add_test(tcase, longest_prefix_wins);
	tcase_add_test(tcase, deny_wins_a_tie);
	tcase_add_test(tcase, without_allow_the_rest_is_allowed);
	tcase_add_test(tcase, empty_allow_refuses_everyone_but_unix_clients);
	tcase_add_test(tcase, ruling_names_what_decided);
	tcase_add_test(tcase, networks_are_written_as_they_are_read);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
