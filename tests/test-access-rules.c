/* SPDX-License-Identifier: MIT */
/*
 * Access rules: which network decides if two contain the address.
 */
#include "config.h"

#include "net/access_rules.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <lined/address.h>

/* Parses an address of any family into static memory. */
static const struct sockaddr *at(const char *host)
{
	static struct lined_address address;

	ck_assert_int_eq(lined_address_parse(&address, host), 0);
	return &address.any;
}

static struct lined_network network(const char *text)
{
	struct lined_network n;

	ck_assert_int_eq(lined_network_parse(&n, text), LINED_NETWORK_OK);
	return n;
}

START_TEST(longest_prefix_wins)
{
	struct lined_network allow[] = {network("10.0.0.0/8"),
					network("10.1.2.0/24")};
	struct lined_network deny[] = {network("10.1.0.0/16")};
	struct access_rules rules = {allow, 2, deny, 1, true};

	ck_assert(access_rules_allow(&rules, at("10.9.9.9")));
	ck_assert(!access_rules_allow(&rules, at("10.1.9.9")));
	ck_assert(access_rules_allow(&rules, at("10.1.2.9")));
	ck_assert(!access_rules_allow(&rules, at("192.0.2.1")));
}
END_TEST

START_TEST(deny_wins_a_tie)
{
	struct lined_network same[] = {network("10.0.0.0/8")};
	struct access_rules rules = {same, 1, same, 1, true};

	ck_assert(!access_rules_allow(&rules, at("10.0.0.1")));
}
END_TEST

START_TEST(without_allow_the_rest_is_allowed)
{
	struct lined_network deny[] = {network("10.0.0.0/8")};
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
	const struct lined_network allow[] = {network("10.0.0.0/8"),
					      network("10.1.2.3")};
	const struct lined_network deny[] = {network("10.1.0.0/16"),
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

int main(void)
{
	Suite *suite = suite_create("access");
	TCase *tcase = tcase_create("access");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, longest_prefix_wins);
	tcase_add_test(tcase, deny_wins_a_tie);
	tcase_add_test(tcase, without_allow_the_rest_is_allowed);
	tcase_add_test(tcase, empty_allow_refuses_everyone_but_unix_clients);
	tcase_add_test(tcase, ruling_names_what_decided);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
