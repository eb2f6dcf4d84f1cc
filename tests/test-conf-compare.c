/* SPDX-License-Identifier: MIT */
/*
 * The comparison of two configs of a service: which changes a reload finds.
 */
#include "config.h"

#include "conf_fixture.h"

#include "tls.h"

static unsigned changes(const char *a, const char *b)
{
	const struct conf *x = fixture_good(a), *y = fixture_good(b);
	unsigned mask = conf_service_changes(&x->services[0], &y->services[0]);

	ck_assert_uint_eq(
		mask, conf_service_changes(&y->services[0], &x->services[0]));
	return mask;
}

#define S(rest)                                                                \
	"service \"s\" { protocol = relay listen = { \"unix:///a\", "          \
	"\"tcp://[::1]:1\" } " rest " }"

START_TEST(the_same_written_otherwise_is_no_change)
{
	ck_assert_uint_eq(
		changes(S(""),
			"# other\nservice \"s\" { relay { mode = \"hub\" "
			"retry-min = 1000ms }\n listen = { "
			"\"tcp://[0::1]:1\",\n 'unix:///a' } protocol = "
			"\"relay\" limits { idle-timeout = 0 clients = "
			"10000 } }"),
		0);
}
END_TEST

START_TEST(each_change_has_its_bit)
{
	ck_assert_uint_eq(changes(S(""), S("limits { clients = 3 }")),
			  CONF_CHANGE_LIMITS);
	ck_assert_uint_eq(changes(S(""), S("limits { handshakes = 3 }")),
			  CONF_CHANGE_LIMITS);
	ck_assert_uint_eq(changes(S(""), S("limits { send-stall = 3 }")),
			  CONF_CHANGE_LIMITS);
	ck_assert_uint_eq(changes(S(""), S("framing { line-length = 80 }")),
			  CONF_CHANGE_FRAMING);
	ck_assert_uint_eq(changes(S(""), S("access { allow = { } }")),
			  CONF_CHANGE_ACCESS);
	ck_assert_uint_eq(changes(S("access { deny = \"10.0.0.0/8\" }"),
				  S("access { deny = \"10.0.0.0/9\" }")),
			  CONF_CHANGE_ACCESS);
	ck_assert_uint_eq(changes(S(""), S("proxy-from = \"::1\"")),
			  CONF_CHANGE_ACCESS);
	ck_assert_uint_eq(changes(S(""), S("proxy-from = unix")),
			  CONF_CHANGE_ACCESS);
	ck_assert_uint_eq(changes(S(""), S("socket-mode = 0600")),
			  CONF_CHANGE_LISTEN);
	ck_assert_uint_eq(changes(S(""), S("relay { level = 2 }")),
			  CONF_CHANGE_OPTIONS);
}
END_TEST

#define CLASS(name, rest)                                                      \
	"service \"s\" { protocol = echo listen = \"ws://*:1\" class \"" name  \
	"\" { from = \"10.0.0.0/8\" " rest " } }"
#define WEB(rest)                                                              \
	"service \"s\" { protocol = echo listen = \"ws://*:1\" web { " rest    \
	" } }"

START_TEST(other_classes_are_other_limits)
{
	static const char *const others[] = {
		S(""),
		CLASS("b", "clients = 2"),
		CLASS("a", "clients = 3"),
		CLASS("a", "clients = 2 line-rate = 2"),
		CLASS("a", "clients = 2 penalty = 1s exempt = \"10.2.0.1\""),
		CLASS("a", "clients = 2 handshake-timeout = 1s"),
		CLASS("a", "clients = 2 } class \"b\" { from = \"::1\""),
		CLASS("a", "connect-rate-per-address = 2"),
	};
	size_t i;

	ck_assert_uint_eq(
		changes(CLASS("a", "clients = 2"), CLASS("a", "clients = '2'")),
		0);
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		ck_assert_msg(changes(CLASS("a", "clients = 2"), others[i]) &
				      CONF_CHANGE_LIMITS,
			      "%s", others[i]);
	ck_assert_uint_eq(changes(S("limits { penalty = 1s }"),
				  S("limits { penalty = 1s exempt = { "
				    "\"10.2.0.1\", \"::1\" } }")),
			  CONF_CHANGE_LIMITS);
}
END_TEST

START_TEST(what_web_says_is_a_change)
{
	ck_assert_uint_eq(changes(WEB("ping = 30s"), WEB("")), 0);
	ck_assert_uint_eq(changes(WEB("ping = 31s"), WEB("")), CONF_CHANGE_WEB);
	ck_assert_uint_eq(changes(WEB("origins = { \"https://a\" }"), WEB("")),
			  CONF_CHANGE_WEB);
	ck_assert_uint_eq(changes(WEB("origins = { \"https://a\" }"),
				  WEB("origins = { \"https://b\" }")),
			  CONF_CHANGE_WEB);
}
END_TEST

START_TEST(other_addresses_are_a_change)
{
	ck_assert_uint_eq(changes("service \"s\" { protocol = echo listen = "
				  "\"tcp://127.0.0.1:1\" }",
				  "service \"s\" { protocol = echo listen = "
				  "\"tcp://127.0.0.1:2\" }"),
			  CONF_CHANGE_LISTEN);
}
END_TEST

START_TEST(another_protocol_is_a_change)
{
	ck_assert_uint_eq(changes("service \"s\" { protocol = echo listen = "
				  "\"unix:///a\" }",
				  "service \"s\" { protocol = fixed listen = "
				  "\"unix:///a\" }"),
			  CONF_CHANGE_PROTOCOL | CONF_CHANGE_FRAMING |
				  CONF_CHANGE_OPTIONS);
}
END_TEST

START_TEST(what_a_tls_section_says_is_a_change)
{
	fixture_write("c", "");
	ck_assert_uint_eq(changes("tls \"a\" { certificate = c key = c }"
				  "service \"s\" { protocol = echo tls = a "
				  "listen = \"tls://[::1]:1\" }",
				  "tls \"a\" { certificate = c key = c "
				  "min-version = 1.3 } service \"s\" { "
				  "protocol = echo tls = a listen = "
				  "\"tls://[::1]:1\" }"),
			  CONF_CHANGE_TLS);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("conf-compare");
	TCase *tcase = fixture_case(suite, "changes");

	tcase_add_test(tcase, the_same_written_otherwise_is_no_change);
	tcase_add_test(tcase, each_change_has_its_bit);
	tcase_add_test(tcase, other_classes_are_other_limits);
	tcase_add_test(tcase, what_web_says_is_a_change);
	tcase_add_test(tcase, other_addresses_are_a_change);
	tcase_add_test(tcase, another_protocol_is_a_change);
	if (!tls_available())
		return suite;
	tcase = fixture_case(suite, "TLS");
	tcase_add_test(tcase, what_a_tls_section_says_is_a_change);
	return suite;
}

int main(void)
{
	return fixture_main(make_suite);
}
