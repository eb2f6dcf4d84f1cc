/* SPDX-License-Identifier: MIT */
/*
 * Listen addresses in the syntax of the config.
 */
#include "config.h"

#include "net/listen_address.h"

#include <check.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <lined/address.h>

#include "net/multicast.h"

static struct listen_address parse(const char *text)
{
	struct listen_address listen;
	char error[200] = "";

	ck_assert_msg(
		listen_address_parse(text, &listen, error, sizeof(error)) == 0,
		"%s: %s", text, error);
	ck_assert_str_eq(listen.text, text);
	return listen;
}

static void refused(const char *text, const char *why)
{
	struct listen_address listen;
	char error[200] = "";

	ck_assert_msg(
		listen_address_parse(text, &listen, error, sizeof(error)) == -1,
		"%s was read", text);
	ck_assert_msg(strstr(error, why) != NULL, "%s: %s, not %s", text, error,
		      why);
}

/* Returns the endpoints as text, with a ? after each optional one. */
static const char *endpoints(const struct listen_address *listen)
{
	static char text[200];
	char one[LINED_ADDRESS_TEXT_MAX];
	size_t i, used = 0;

	text[0] = '\0';
	for (i = 0; i < listen->endpoint_count; i++)
		used += (size_t)snprintf(
			text + used, sizeof(text) - used, "%s%s%s",
			i > 0 ? " " : "",
			lined_address_format(&listen->endpoints[i].address.any,
					     one, sizeof(one)),
			listen->endpoints[i].optional ? "?" : "");
	return text;
}

START_TEST(every_kind_is_read)
{
	struct listen_address l;

	l = parse("tcp://192.0.2.1:7007");
	ck_assert_int_eq(l.kind, LISTEN_TCP);
	ck_assert_str_eq(endpoints(&l), "192.0.2.1:7007");
	l = parse("tls://[2001:db8::1]:7010");
	ck_assert_int_eq(l.kind, LISTEN_TLS);
	ck_assert(listen_address_is_tls(&l));
	ck_assert_str_eq(endpoints(&l), "[2001:db8::1]:7010");
	l = parse("udp://127.0.0.1:65535");
	ck_assert_int_eq(l.kind, LISTEN_UDP);
	ck_assert_str_eq(endpoints(&l), "127.0.0.1:65535");
	l = parse("unix:///run/lined/echo.sock");
	ck_assert_int_eq(l.kind, LISTEN_UNIX);
	ck_assert_str_eq(l.path, "/run/lined/echo.sock");
	ck_assert_uint_eq(l.endpoint_count, 0);
	l = parse("systemd:echo");
	ck_assert_int_eq(l.kind, LISTEN_SYSTEMD);
	ck_assert_str_eq(l.name, "echo");
	ck_assert(!listen_address_is_tls(&l));
	l = parse("systemd+tls:echo-tls");
	ck_assert_int_eq(l.kind, LISTEN_SYSTEMD_TLS);
	ck_assert(listen_address_is_tls(&l));
}
END_TEST

START_TEST(star_and_localhost_are_both_families)
{
	struct listen_address l = parse("tcp://*:7007");

	ck_assert_str_eq(endpoints(&l), "0.0.0.0:7007 [::]:7007?");
	l = parse("udp://localhost:7007");
	ck_assert_str_eq(endpoints(&l), "127.0.0.1:7007 [::1]:7007?");
}
END_TEST

START_TEST(ipv6_any_is_ipv6_only)
{
	struct listen_address l = parse("tcp://[::]:7007");

	ck_assert_str_eq(endpoints(&l), "[::]:7007");
}
END_TEST

START_TEST(bad_addresses_say_why)
{
	char path[200] = "unix:///", long_text[600] = "systemd:";

	refused("tcp://127.0.0.1:0", "not 1 to 65535");
	refused("tcp://127.0.0.1:65536", "not 1 to 65535");
	refused("tcp://127.0.0.1:99999999999999999999", "not 1 to 65535");
	refused("tcp://127.0.0.1:-1", "not 1 to 65535");
	refused("tcp://127.0.0.1:7007x", "not 1 to 65535");
	refused("tcp://127.0.0.1:07007", "leading zero");
	refused("udp://[::1]:00", "leading zero");
	refused("tcp://127.0.0.1:", "not 1 to 65535");
	refused("tcp://127.0.0.1", "port is missing");
	refused("tcp://", "port is missing");
	refused("tcp://:7007", "host is missing");
	refused("tcp://[]:7007", "host is missing");
	refused("tcp://[::1]7007", "port is missing");
	refused("tcp://[::1", "] is missing");
	refused("tcp://::1:7007", "in brackets");
	refused("tcp://[127.0.0.1]:7007", "brackets are for IPv6");
	refused("tcp://[*]:7007", "brackets are for IPv6");
	refused("tcp://[::ffff:192.0.2.1]:7007", "as IPv4");
	refused("tcp://[fe80::1%nosuch]:7007", "no such network interface");
	refused("tcp://example.org:7007", "not a numeric address");
	refused("tcp://127.1:7007", "not an IPv4 address");
	refused("tcp://010.0.0.1:7007", "not an IPv4 address");
	refused("tcp:/127.0.0.1:7007", "begins with");
	refused("TCP://127.0.0.1:7007", "begins with");
	refused("127.0.0.1:7007", "begins with");
	refused("", "begins with");
	refused("unix://run/echo.sock", "not absolute");
	refused("unix://", "not absolute");
	refused("unix:///run/", "is a directory");
	refused("systemd:", "name is missing");
	refused("systemd:a:b", "neither spaces nor colons");
	refused("systemd+tls:a b", "neither spaces nor colons");
	memset(path + 8, 'x', 150);
	refused(path, "longer than 107");
	memset(long_text + 8, 'x', 256);
	refused(long_text, "name is too long");
	memcpy(long_text, "ws://", 5);
	memset(long_text + 5, '1', sizeof(long_text) - 6);
	refused(long_text, "host is too long");
	memcpy(long_text, "udp:/", 5);
	long_text[5] = '/';
	refused(long_text, "it is too long");
	refused("ws://127.0.0.1:7/a b", "paths of URLs");
	refused("ws://127.0.0.1:7/?a", "paths of URLs");
}
END_TEST

START_TEST(groups_have_a_source_and_an_interface)
{
	unsigned lo = if_nametoindex("lo");
	struct listen_address a, b;

	a = parse("udp://239.192.0.4:60004");
	ck_assert(multicast_is_group(&a.endpoints[0]));
	ck_assert_uint_eq(a.endpoints[0].interface, 0);
	ck_assert_uint_eq(a.endpoints[0].source.len, 0);
	b = parse("udp://239.192.0.4:60004?interface=lo&source=192.0.2.1");
	ck_assert_uint_eq(b.endpoints[0].interface, lo);
	ck_assert_uint_eq(b.endpoints[0].source.len,
			  sizeof(struct sockaddr_in));
	ck_assert(!listen_address_equal(&a, &b));
	a = parse("udp://[ff02::1%lo]:1");
	b = parse("udp://[ff02::1]:1?interface=lo");
	ck_assert_uint_eq(a.endpoints[0].interface, lo);
	ck_assert(listen_address_equal(&a, &b));
	a = parse("udp://192.0.2.1:1");
	ck_assert(!multicast_is_group(&a.endpoints[0]));
	refused("tcp://239.1.1.1:5", "a multicast group is for udp://");
	refused("udp://192.0.2.1:5?interface=lo", "is for a multicast group");
	refused("udp://239.1.1.1:5?interface=none7", "no such network");
	refused("udp://239.1.1.1:5?source=::1", "the other family");
	refused("udp://239.1.1.1:5?source=host", "not a numeric address");
	refused("udp://239.1.1.1:5?from=::1", "source=ADDRESS");
	refused("udp://[ff02::1]:5", "the interface is missing");
	if (if_nametoindex("lo") == 1)
		refused("udp://[ff02::1%2]:5?interface=lo", "two interfaces");
}
END_TEST

START_TEST(longest_unix_path_is_taken)
{
	char text[200] = "unix:///";
	struct sockaddr_un un;

	memset(text + 8, 'x', sizeof(un.sun_path) - 2);
	ck_assert_uint_eq(strlen(parse(text).path), sizeof(un.sun_path) - 1);
}
END_TEST

START_TEST(long_hosts_are_refused)
{
	char text[300] = "tcp://";

	memset(text + 6, '1', 256);
	strcpy(text + 262, ":1");
	refused(text, "host is too long");
}
END_TEST

static bool equal(const char *a, const char *b)
{
	struct listen_address x = parse(a), y = parse(b);

	ck_assert_int_eq(listen_address_equal(&x, &y),
			 listen_address_equal(&y, &x));
	return listen_address_equal(&x, &y);
}

START_TEST(equal_is_by_place_not_by_text)
{
	ck_assert(equal("tcp://[::1]:7", "tcp://[0:0::1]:7"));
	ck_assert(equal("unix:///a", "unix:///a"));
	ck_assert(equal("systemd:a", "systemd:a"));
	ck_assert(!equal("systemd:a", "systemd+tls:a"));
	ck_assert(!equal("tcp://127.0.0.1:7", "tls://127.0.0.1:7"));
	ck_assert(!equal("tcp://127.0.0.1:7", "tcp://localhost:7"));
	ck_assert(!equal("tcp://127.0.0.1:7", "tcp://127.0.0.1:8"));
	ck_assert(!equal("unix:///a", "unix:///b"));
	ck_assert(equal("ws://127.0.0.1:7", "ws://127.0.0.1:7/"));
	ck_assert(!equal("ws://127.0.0.1:7", "ws://127.0.0.1:7/a"));
	ck_assert(!equal("tcp://[fe80::1%1]:7", "tcp://[fe80::1%2]:7"));
}
END_TEST

static bool overlap(const char *a, const char *b)
{
	struct listen_address x = parse(a), y = parse(b);

	ck_assert_int_eq(listen_address_overlap(&x, &y),
			 listen_address_overlap(&y, &x));
	return listen_address_overlap(&x, &y);
}

START_TEST(overlap_is_what_cannot_both_be_bound)
{
	ck_assert(overlap("tcp://127.0.0.1:7", "tls://127.0.0.1:7"));
	ck_assert(overlap("tcp://127.0.0.1:7", "tcp://*:7"));
	ck_assert(overlap("tcp://[::1]:7", "tcp://localhost:7"));
	ck_assert(overlap("tcp://[::]:7", "tcp://*:7"));
	ck_assert(overlap("udp://0.0.0.0:7", "udp://127.0.0.1:7"));
	ck_assert(overlap("unix:///a", "unix:///a"));
	ck_assert(overlap("systemd:a", "systemd+tls:a"));
	ck_assert(!overlap("tcp://127.0.0.1:7", "udp://127.0.0.1:7"));
	ck_assert(!overlap("tcp://127.0.0.1:7", "tcp://[::]:7"));
	ck_assert(!overlap("tcp://127.0.0.1:7", "tcp://127.0.0.2:7"));
	ck_assert(!overlap("tcp://*:7", "tcp://*:8"));
	ck_assert(!overlap("unix:///a", "systemd:a"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("listen-address");
	TCase *tcase = tcase_create("listen-address");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, every_kind_is_read);
	tcase_add_test(tcase, star_and_localhost_are_both_families);
	tcase_add_test(tcase, ipv6_any_is_ipv6_only);
	tcase_add_test(tcase, bad_addresses_say_why);
	tcase_add_test(tcase, longest_unix_path_is_taken);
	tcase_add_test(tcase, groups_have_a_source_and_an_interface);
	tcase_add_test(tcase, long_hosts_are_refused);
	tcase_add_test(tcase, equal_is_by_place_not_by_text);
	tcase_add_test(tcase, overlap_is_what_cannot_both_be_bound);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
