/* SPDX-License-Identifier: MIT */
/*
 * Addresses, hosts with ports, and networks: conversion from and to text, and
 * which addresses a network contains.
 */
#include "config.h"

#include <lined/address.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "support.h"

/* ---- addresses -------------------------------------------------------- */

/* Parses an address of any family into static memory. */
static const struct sockaddr *at(const char *text)
{
	static struct lined_address address;

	ck_assert_msg(lined_address_parse(&address, text) == 0, "%s", text);
	return &address.any;
}

static const char *text_of(const struct sockaddr *address)
{
	static char text[LINED_ADDRESS_TEXT_MAX];

	return lined_address_format(address, text, sizeof(text));
}

START_TEST(addresses_have_one_text)
{
	static const struct {
		const char *text, *want;
	} good[] = {
		{"192.0.2.1:5123", "192.0.2.1:5123"},
		{"192.0.2.1", "192.0.2.1:0"},
		{"192.0.2.1:0", "192.0.2.1:0"},
		{"2001:DB8:0::1", "[2001:db8::1]:0"},
		{"[2001:DB8:0::1]", "[2001:db8::1]:0"},
		{"[2001:DB8:0::1]:65535", "[2001:db8::1]:65535"},
		{"[::ffff:192.0.2.1]:1", "192.0.2.1:1"},
		{"[fe80::1%1]:2", "[fe80::1%1]:2"},
		{"fe80::1%4294967295", "[fe80::1%4294967295]:0"},
		{"unix", "unix"},
	};
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	char host[LINED_ADDRESS_TEXT_MAX];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_str_eq(text_of(at(good[i].text)), good[i].want);
	ck_assert_str_eq(text_of(&none), "unknown");
	ck_assert_str_eq(lined_address_format_host(at("[2001:db8::1]:7"), host,
						   sizeof(host)),
			 "2001:db8::1");
}
END_TEST

START_TEST(longest_address_fits_its_room)
{
	const char *text = "[fe80:1111:2222:3333:4444:5555:6666:7777"
			   "%4294967295]:65535";

	ck_assert_str_eq(text_of(at(text)), text);
}
END_TEST

START_TEST(names_are_no_addresses)
{
	static const char *const bad[] = {
		"",       "localhost",    "localhost:1",  "*:1",
		"127.1",  "010.0.0.1",    "192.0.2.1:",   "192.0.2.1:65536",
		"[::1",   "[127.0.0.1]",  "[::1]7",       "::1::",
		"unix:1", "192.0.2.1:07", "192.0.2.1: 7", "fe80::1%",
	};
	struct lined_address address;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = 0;
		ck_assert_msg(lined_address_parse(&address, bad[i]) == -1,
			      "\"%s\" was read", bad[i]);
		ck_assert_int_eq(errno, EINVAL);
	}
	support_fails(lined_address_set(&address, "[::1]", 1), EINVAL);
	support_fails(lined_address_set(&address, "::1%nosuch", 1), ENODEV);
}
END_TEST

START_TEST(equal_addresses_have_all_in_common)
{
	struct lined_address address;

	ck_assert_int_eq(lined_address_set(&address, "fe80::1%1", 7), 0);
	ck_assert(lined_address_equal(&address.any, at("[fe80::1%1]:7")));
	ck_assert(!lined_address_equal(&address.any, at("[fe80::1%2]:7")));
	ck_assert(!lined_address_equal(&address.any, at("[fe80::1%1]:8")));
	ck_assert(!lined_address_equal(&address.any, at("[fe80::2%1]:7")));
	ck_assert(!lined_address_equal(&address.any, at("127.0.0.1:7")));
	ck_assert(!lined_address_equal(at("unix"), at("unix")));
	ck_assert(lined_address_is_any(at("0.0.0.0:7")));
	ck_assert(lined_address_is_any(at("::")));
	ck_assert(!lined_address_is_any(at("::1")));
}
END_TEST

START_TEST(a_unix_path_has_its_limit)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
	struct lined_address address;

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	support_fails(lined_address_set_unix(&address, path), ENAMETOOLONG);
	path[sizeof(path) - 2] = '\0';
	ck_assert_int_eq(lined_address_set_unix(&address, path), 0);
	ck_assert_str_eq(
		((struct sockaddr_un *)(void *)&address.storage)->sun_path,
		path);
	support_fails(lined_address_set_unix(&address, ""), ENOENT);
}
END_TEST

/* ---- hosts and ports -------------------------------------------------- */

START_TEST(a_host_has_its_kind_and_port)
{
	static const struct {
		const char *text, *host;
		unsigned port;
		enum lined_host_kind kind;
	} good[] = {
		{"127.0.0.1:1", "127.0.0.1", 1, LINED_HOST_IPV4},
		{"feed.example.org:65535", "feed.example.org", 65535,
		 LINED_HOST_NAME},
		{"under_score-1:70", "under_score-1", 70, LINED_HOST_NAME},
		{"1a.2b:70", "1a.2b", 70, LINED_HOST_NAME},
		{"*:7", "*", 7, LINED_HOST_ANY},
		{"[::1]:7008", "::1", 7008, LINED_HOST_IPV6},
		{"[fe80::1%nosuch0.7]:9", "fe80::1%nosuch0.7", 9,
		 LINED_HOST_IPV6},
		{"[::ffff:192.0.2.1]:9", "::ffff:192.0.2.1", 9,
		 LINED_HOST_IPV6},
	};
	struct lined_host_port to;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_ptr_null(lined_host_port_parse(&to, good[i].text));
		ck_assert_str_eq(to.host, good[i].host);
		ck_assert_uint_eq(to.port, good[i].port);
		ck_assert_int_eq(to.kind, good[i].kind);
	}
}
END_TEST

START_TEST(bad_hosts_and_ports_say_why)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", "the port is missing"},
		{"host", "the port is missing"},
		{"[::1]", "the port is missing"},
		{"[::1]7", "the port is missing"},
		{"[::1", "the ] is missing"},
		{"::1:70", "write IPv6 in brackets: [ADDRESS]:PORT"},
		{"h:70:71", "write IPv6 in brackets: [ADDRESS]:PORT"},
		{":70", "the host is missing"},
		{"[]:70", "the host is missing"},
		{"[127.0.0.1]:70", "brackets are for IPv6"},
		{"[host]:70", "brackets are for IPv6"},
		{"[*]:70", "brackets are for IPv6"},
		{"[fe80::1%]:70", "brackets are for IPv6"},
		{"[fe80::1%a/b]:70", "brackets are for IPv6"},
		{"127.1:70", "the host is not an IPv4 address"},
		{"010.0.0.1:70", "the host is not an IPv4 address"},
		{"256.0.0.1:70", "the host is not an IPv4 address"},
		{"1.2.3.4.5:70", "the host is not an IPv4 address"},
		{"a b:70", "the host is neither a name nor an address"},
		{"u@h:70", "the host is neither a name nor an address"},
		{"**:70", "the host is neither a name nor an address"},
		{"\xc3\xa9:7", "the host is neither a name nor an address"},
		{"h:", "the port is not 1 to 65535"},
		{"h:0", "the port is not 1 to 65535"},
		{"h:00", "the port has a leading zero: numbers are decimal"},
		{"h:070", "the port has a leading zero: numbers are decimal"},
		{"h:65536", "the port is not 1 to 65535"},
		{"h:123456", "the port is not 1 to 65535"},
		{"h:99999999999999999999", "the port is not 1 to 65535"},
		{"h:-1", "the port is not 1 to 65535"},
		{"h:7/", "the port is not 1 to 65535"},
		{"h: 7", "the port is not 1 to 65535"},
	};
	struct lined_host_port to;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *why = lined_host_port_parse(&to, bad[i].text);

		ck_assert_msg(why != NULL, "%s was read", bad[i].text);
		ck_assert_msg(strcmp(why, bad[i].why) == 0, "%s: %s, not %s",
			      bad[i].text, why, bad[i].why);
	}
}
END_TEST

/* Hosts with lengths around the maximum, each in memory of exactly its size. */
START_TEST(a_long_host_has_its_limit)
{
	struct lined_host_port to;
	size_t len;

	for (len = 250; len < 300; len++) {
		char *text = malloc(len + sizeof(":65535"));
		const char *why;

		ck_assert_ptr_nonnull(text);
		memset(text, 'h', len);
		strcpy(text + len, ":65535");
		why = lined_host_port_parse(&to, text);
		if (len < LINED_HOST_MAX)
			ck_assert_ptr_null(why);
		else
			ck_assert_str_eq(why, "the host is too long");
		free(text);
	}
}
END_TEST

/* ---- networks --------------------------------------------------------- */

static struct lined_network network(const char *text)
{
	struct lined_network n;

	ck_assert_int_eq(lined_network_parse(&n, text), LINED_NETWORK_OK);
	return n;
}

START_TEST(address_is_in_its_network_only)
{
	struct lined_network n = network("192.0.2.0/24");

	ck_assert(lined_network_contains(&n, at("192.0.2.0")));
	ck_assert(lined_network_contains(&n, at("192.0.2.255")));
	ck_assert(!lined_network_contains(&n, at("192.0.3.0")));
	ck_assert(!lined_network_contains(&n, at("2001:db8::1")));
	ck_assert(!lined_network_contains(&n, at("unix")));
}
END_TEST

START_TEST(prefix_need_not_end_at_a_byte)
{
	struct lined_network n = network("10.32.0.0/11");
	struct lined_network n6 = network("2001:db8:8000::/33");

	ck_assert(lined_network_contains(&n, at("10.63.255.255")));
	ck_assert(!lined_network_contains(&n, at("10.64.0.0")));
	ck_assert(!lined_network_contains(&n, at("10.31.255.255")));
	ck_assert(lined_network_contains(&n6, at("2001:db8:ffff::1")));
	ck_assert(!lined_network_contains(&n6, at("2001:db8:7fff::1")));
}
END_TEST

START_TEST(prefix_of_zero_is_everyone_of_the_family)
{
	struct lined_network n = network("0.0.0.0/0"), n6 = network("::/0");

	ck_assert(lined_network_contains(&n, at("255.255.255.255")));
	ck_assert(!lined_network_contains(&n, at("::1")));
	ck_assert(lined_network_contains(&n6, at("::1")));
	ck_assert(!lined_network_contains(&n6, at("10.0.0.1")));
}
END_TEST

START_TEST(address_without_prefix_is_itself)
{
	struct lined_network n = network("2001:db8::1");

	ck_assert_uint_eq(n.prefix, 128);
	ck_assert(lined_network_contains(&n, at("2001:db8::1")));
	ck_assert(!lined_network_contains(&n, at("2001:db8::2")));
}
END_TEST

START_TEST(mapped_addresses_count_as_ipv4)
{
	struct lined_network n = network("192.0.2.0/24");
	struct lined_network mapped = network("::ffff:192.0.2.0/120");

	ck_assert(lined_network_contains(&n, at("::ffff:192.0.2.7")));
	ck_assert(lined_network_equal(&n, &mapped));
	ck_assert(lined_network_contains(&mapped, at("192.0.2.7")));
}
END_TEST

START_TEST(host_bits_are_cleared_and_told)
{
	struct lined_network n, clean = network("10.0.0.0/9");

	ck_assert_int_eq(lined_network_parse(&n, "10.0.0.1/9"),
			 LINED_NETWORK_HOST_BITS);
	ck_assert(lined_network_equal(&n, &clean));
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
	struct lined_network n;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(lined_network_parse(&n, bad[i]) ==
				      LINED_NETWORK_BAD,
			      "\"%s\" was read", bad[i]);
}
END_TEST

static const char *network_text(const struct lined_network *n)
{
	static char text[LINED_NETWORK_TEXT_MAX];

	return lined_network_format(n, text, sizeof(text));
}

START_TEST(networks_are_written_as_they_are_read)
{
	static const char *const texts[] = {
		"192.0.2.0/24",  "192.0.2.7", "0.0.0.0/0",
		"2001:db8::/32", "::1",       "::/0",
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct lined_network n = network(texts[i]);

		ck_assert_str_eq(network_text(&n), texts[i]);
	}
}
END_TEST

START_TEST(an_address_has_a_network)
{
	static const struct {
		const char *address, *want;
	} of[] = {
		{"192.0.2.7:5123", "192.0.2.0/24"},
		{"::ffff:192.0.2.7", "192.0.2.0/24"},
		{"2001:db8:1:2:3::4", "2001:db8:1:2::/64"},
	};
	struct lined_network n;
	size_t i;

	for (i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		ck_assert(lined_network_of(&n, at(of[i].address), 24, 64));
		ck_assert_str_eq(network_text(&n), of[i].want);
	}
	ck_assert(!lined_network_of(&n, at("unix"), 24, 64));
}
END_TEST

START_TEST(the_longest_prefix_is_found)
{
	const struct lined_network all[] = {
		network("10.0.0.0/8"), network("10.1.0.0/16"),
		network("10.1.0.0/16"), network("::/0")};

	ck_assert_ptr_eq(lined_network_longest(all, 4, at("10.1.9.9")),
			 &all[1]);
	ck_assert_ptr_eq(lined_network_longest(all, 4, at("10.2.9.9")),
			 &all[0]);
	ck_assert_ptr_null(lined_network_longest(all, 4, at("192.0.2.1")));
}
END_TEST

/* ---- connections ------------------------------------------------------ */

START_TEST(user_timeout_is_a_minute_or_the_send_stall)
{
	static const struct {
		uint32_t send_stall_ms;
		unsigned wanted_ms;
	} cases[] = {{30000, 60000}, {60001, 60001}, {0, 0}};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned timeout_ms = 1;
		socklen_t len = sizeof(timeout_ms);

		ck_assert_int_eq(
			lined_tcp_user_timeout(fd, cases[i].send_stall_ms), 0);
		ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
					    &timeout_ms, &len),
				 0);
		ck_assert_uint_eq(timeout_ms, cases[i].wanted_ms);
	}
	close(fd);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(lined_tcp_user_timeout(fd, 0), -1);
	close(fd);
}
END_TEST

START_TEST(keepalive_is_for_tcp)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 0;
	socklen_t len = sizeof(on);

	ck_assert_int_eq(lined_tcp_keepalive(fd), 0);
	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &len),
			 0);
	ck_assert_int_ne(on, 0);
	close(fd);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(lined_tcp_keepalive(fd), -1);
	close(fd);
}
END_TEST

static Suite *address_suite(void)
{
	Suite *suite = suite_create("address");
	TCase *tcase = support_case(suite, "addresses");

	tcase_add_test(tcase, addresses_have_one_text);
	tcase_add_test(tcase, longest_address_fits_its_room);
	tcase_add_test(tcase, names_are_no_addresses);
	tcase_add_test(tcase, equal_addresses_have_all_in_common);
	tcase_add_test(tcase, a_unix_path_has_its_limit);
	tcase = support_case(suite, "hosts and ports");
	tcase_add_test(tcase, a_host_has_its_kind_and_port);
	tcase_add_test(tcase, bad_hosts_and_ports_say_why);
	tcase_add_test(tcase, a_long_host_has_its_limit);
	tcase = support_case(suite, "networks");
	tcase_add_test(tcase, address_is_in_its_network_only);
	tcase_add_test(tcase, prefix_need_not_end_at_a_byte);
	tcase_add_test(tcase, prefix_of_zero_is_everyone_of_the_family);
	tcase_add_test(tcase, address_without_prefix_is_itself);
	tcase_add_test(tcase, mapped_addresses_count_as_ipv4);
	tcase_add_test(tcase, host_bits_are_cleared_and_told);
	tcase_add_test(tcase, what_is_no_network_is_refused);
	tcase_add_test(tcase, networks_are_written_as_they_are_read);
	tcase_add_test(tcase, an_address_has_a_network);
	tcase_add_test(tcase, the_longest_prefix_is_found);
	tcase = support_case(suite, "connections");
	tcase_add_test(tcase, keepalive_is_for_tcp);
	tcase_add_test(tcase, user_timeout_is_a_minute_or_the_send_stall);
	return suite;
}

int main(void)
{
	return support_main_once(address_suite);
}
