/* SPDX-License-Identifier: MIT */
/*
 * Datagram sockets: the lines of a datagram, its one answer, and addresses.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "socket_priv.h"
#include "support.h"
#include "udp_fixture.h"

START_TEST(bound_socket_knows_what_it_is)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	udp_open();
	ck_assert_int_eq(lined_socket_state(udp.sock), LINED_SOCKET_UDP_BOUND);
	ck_assert(lined_socket_is_datagram(udp.sock));
	ck_assert(lined_socket_is_writeable(udp.sock));
	ck_assert(!lined_socket_is_connected(udp.sock));
	support_fails(lined_socket_peer(udp.sock, &address, &len), ENOTCONN);
}
END_TEST

/* Reads the first line of a datagram, and leaves the others. */
static void first_line_read(struct lined_socket *sock, void *arg)
{
	unsigned *lines = arg;
	struct lined_line line;

	if (lined_socket_read_line(sock, &line) == LINED_LINE_READY)
		(*lines)++;
}

START_TEST(an_unregistered_socket_answers_nobody)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = first_line_read,
	};
	static char big[70000];
	unsigned lines = 0;

	udp_open();
	lined_socket_set_handlers(udp.sock, &handlers, &lines);
	PUT("one\ntwo\nthree\n");
	support_run_until_count(udp.d, &lines, 1);
	ck_assert_int_eq(lined_dispatcher_unregister(udp.d, udp.delegate), 0);
	support_fails(lined_socket_send(udp.sock, "x", 1), ENOTCONN);
	support_fails(lined_socket_send(udp.sock, big, sizeof(big)), ENOTCONN);
	lined_socket_close(udp.sock);
}
END_TEST

START_TEST(lines_of_a_datagram_are_answered_as_one)
{
	udp_open();
	PUT("one\ntwo\r\n\nthree\n");
	EXPECT("one\ntwo\r\n\nthree\n");
	udp_expect_nothing(udp.d, udp.peer);
	ck_assert_str_eq(recorder_log(&udp.recorder),
			 "<one\\n><two\\r\\n><\\n><three\\n>");
	ck_assert_uint_eq(udp.group.counters.datagrams_in, 1);
	ck_assert_uint_eq(udp.group.counters.datagrams_out, 1);
	ck_assert_uint_eq(udp.group.counters.lines_in, 4);
}
END_TEST

START_TEST(last_terminator_is_optional_and_stays_so)
{
	udp_open();
	PUT("one\ntwo");
	EXPECT("one\ntwo");
	PUT("alone");
	EXPECT("alone");
	PUT("cr\r");
	EXPECT("cr\r");
	ck_assert_str_eq(recorder_log(&udp.recorder),
			 "<one\\n><two><alone><cr\\r>");
	/* Nothing is lost: `unterminated` counts dropped rests only. */
	ck_assert_uint_eq(udp.group.counters.unterminated, 0);
}
END_TEST

START_TEST(lines_never_span_datagrams)
{
	udp_open();
	PUT("half");
	PUT("way\n");
	EXPECT("half");
	EXPECT("way\n");
	ck_assert_str_eq(recorder_log(&udp.recorder), "<half><way\\n>");
}
END_TEST

START_TEST(empty_datagram_has_no_line)
{
	udp_open();
	udp_put(udp.peer, "", 0);
	udp_put(udp.peer, "\0\0", 2);
	PUT("after\n");
	EXPECT("after\n");
	support_run_turns(udp.d, 3);
	udp_expect_nothing(udp.d, udp.peer);
	ck_assert_uint_eq(udp.group.counters.datagrams_in, 3);
	ck_assert_uint_eq(udp.group.counters.lines_in, 1);
	ck_assert_uint_eq(udp.recorder.closes, 0);
	ck_assert_str_eq(recorder_log(&udp.recorder), "<after\\n>");
}
END_TEST

START_TEST(nuls_at_the_end_are_not_read)
{
	struct lined_framing framing = LINED_FRAMING_DEFAULT;

	udp_open();
	udp_put(udp.peer, "one\r\ntwo\n\0\0\0", 12);
	EXPECT("one\r\ntwo\n");
	udp_put(udp.peer, "a\0b\0", 4);
	udp_expect(udp.d, udp.peer, "a\0b", 3);
	framing.terminator = LINED_TERMINATOR_BYTE;
	lined_socket_set_framing(udp.sock, &framing);
	udp_put(udp.peer, "one\0two\0\0\0", 10);
	udp_expect(udp.d, udp.peer, "one\0two\0", 8);
	udp_put(udp.peer, "\0\0", 2);
	udp_put(udp.peer, "three", 5);
	udp_expect(udp.d, udp.peer, "three", 5);
}
END_TEST

static bool admit_two(struct lined_socket *sock, const struct sockaddr *from,
		      socklen_t len)
{
	struct recorder *recorder = lined_socket_arg(sock);

	ck_assert_int_eq(from->sa_family, AF_INET);
	ck_assert_uint_eq(len, sizeof(struct sockaddr_in));
	return recorder->lines < 2;
}

START_TEST(lines_that_are_not_admitted_are_dropped)
{
	udp_open();
	udp.group.admit_line = admit_two;
	PUT("one\ntwo\nthree\nfour");
	EXPECT("one\ntwo\n");
	PUT("five\n");
	support_run_turns(udp.d, 3);
	udp_expect_nothing(udp.d, udp.peer);
	ck_assert_uint_eq(udp.group.counters.lines_in, 2);
}
END_TEST

START_TEST(binary_junk_comes_back_as_it_went)
{
	char junk[1024];

	udp_open();
	for (unsigned round = 0; round < 50; round++) {
		size_t len = 1 + round * 20;

		for (size_t i = 0; i < len; i++)
			junk[i] = (char)(i * 167 + round * 31 + i / 7);
		junk[len - 1] |= 1; /* because NULs at the end are not read */
		udp_put(udp.peer, junk, len);
		udp_expect(udp.d, udp.peer, junk, len);
	}
}
END_TEST

START_TEST(datagram_of_many_lines_is_answered_whole)
{
	static char data[40000];

	udp_open();
	udp.recorder.quiet = true;
	memset(data, '\n', sizeof(data)); /* more lines than a turn's budget */
	udp_put(udp.peer, data, sizeof(data));
	udp_expect(udp.d, udp.peer, data, sizeof(data));
	ck_assert_uint_eq(udp.recorder.lines, sizeof(data));
	PUT("next\n");
	EXPECT("next\n");
}
END_TEST

START_TEST(too_long_line_closes_nothing)
{
	struct lined_framing framing = LINED_FRAMING_DEFAULT;

	udp_open();
	framing.line_length = 5;
	lined_socket_set_framing(udp.sock, &framing);
	PUT("abcdefgh\nxy\n");
	support_run_until_count(udp.d, &udp.recorder.too_long, 1);
	EXPECT("xy\n");
	ck_assert_uint_eq(udp.recorder.too_long, 1);
	ck_assert_uint_eq(udp.recorder.closes, 0);
	framing.too_long = LINED_TOO_LONG_SKIP;
	lined_socket_set_framing(udp.sock, &framing);
	PUT("abcdefgh\nxy\nabcdefgh");
	EXPECT("xy\n");
	ck_assert_uint_eq(udp.recorder.too_long, 3);
	framing.too_long = LINED_TOO_LONG_TRUNCATE;
	lined_socket_set_framing(udp.sock, &framing);
	PUT("abcdefgh\nxy\nabcdefgh");
	EXPECT("abcde\nxy\nabcde");
}
END_TEST

START_TEST(each_sender_gets_its_own_answer)
{
	int other;

	udp_open();
	other = udp_connect_to(udp.sock);
	PUT("first\n");
	udp_put(other, "second\n", 7);
	EXPECT("first\n");
	udp_expect(udp.d, other, "second\n", 7);
	udp_expect_nothing(udp.d, udp.peer);
	close(other);
}
END_TEST

struct caller {
	struct sockaddr_storage from;
	socklen_t len;
	unsigned calls;
};

static void caller_read(struct lined_socket *sock, void *arg)
{
	struct caller *caller = arg;
	struct lined_line line;

	while (lined_socket_read_line(sock, &line) == LINED_LINE_READY) {
		caller->len = sizeof(caller->from);
		ck_assert_int_eq(
			lined_socket_peer(sock, &caller->from, &caller->len),
			0);
		caller->calls++;
	}
}

static void expect_sender_known(int family)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = caller_read,
	};
	struct caller caller = {.calls = 0};
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);
	udp_open_family(family);
	lined_socket_set_handlers(udp.sock, &handlers, &caller);
	PUT("hello\n");
	support_run_until_count(udp.d, &caller.calls, 1);
	ck_assert_int_eq(getsockname(udp.peer, (struct sockaddr *)&local, &len),
			 0);
	ck_assert_uint_eq(caller.len, len);
	ck_assert_mem_eq(&caller.from, &local, len);
	/* The sender's address is known: the handler can keep it, and answer
	 * later with send_to. */
	support_fails(lined_socket_send(udp.sock, "no\n", 3), EDESTADDRREQ);
	ck_assert_int_eq(lined_socket_send_to(udp.sock, "late\n", 5,
					      (struct sockaddr *)&caller.from,
					      caller.len),
			 0);
	EXPECT("late\n");
	udp_close();
}

START_TEST(sender_is_known_and_reached_by_send_to)
{
	expect_sender_known(AF_INET);
}
END_TEST

struct reluctant {
	unsigned reads, lines;
};

/* Reads nothing at its first call. */
static void reluctant_read(struct lined_socket *sock, void *arg)
{
	struct reluctant *late = arg;
	struct lined_line line;

	if (late->reads++ == 0) {
		lined_socket_pause(sock);
		return;
	}
	while (lined_socket_read_line(sock, &line) == LINED_LINE_READY)
		late->lines++;
}

/* The socket holds a datagram, although it has no byte. */
START_TEST(empty_datagram_moves_with_its_socket)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = reluctant_read,
	};
	struct reluctant late = {.reads = 0};

	udp_open();
	lined_socket_set_handlers(udp.sock, &handlers, &late);
	udp_put(udp.peer, "", 0);
	support_run_until_count(udp.d, &late.reads, 1);
	ck_assert_int_eq(
		lined_dispatcher_unregister(udp.d, &udp.sock->delegate), 0);
	lined_socket_resume(udp.sock);
	ck_assert_ptr_nonnull(
		lined_dispatcher_register_socket(udp.d, udp.sock));
	udp_put(udp.peer, "next", 4);
	support_run_until_count(udp.d, &late.lines, 1);
}
END_TEST

/* Such a length is the result of a subtraction below zero. */
START_TEST(size_that_no_datagram_has_is_refused)
{
	const struct sockaddr_in to = support_loopback(9);

	udp_open();
	support_fails(lined_socket_send_to(udp.sock, "x", SIZE_MAX - 20,
					   (const struct sockaddr *)&to,
					   sizeof(to)),
		      ENOBUFS);
	udp.group.limits.send_queue = 0;
	support_fails(lined_socket_send_to(udp.sock, "x", SIZE_MAX - 20,
					   (const struct sockaddr *)&to,
					   sizeof(to)),
		      EMSGSIZE);
	ck_assert_uint_eq(lined_socket_queued(udp.sock), 0);
}
END_TEST

START_TEST(address_that_no_family_has_is_refused)
{
	char address[sizeof(struct sockaddr_storage) + 1] = {AF_INET};

	udp_open();
	support_fails(lined_socket_send_to(udp.sock, "x", 1,
					   (const struct sockaddr *)address,
					   sizeof(address)),
		      EINVAL);
	ck_assert_uint_eq(lined_socket_queued(udp.sock), 0);
}
END_TEST

static bool have_ipv6(void)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6,
				       .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_DGRAM, 0), rc;

	if (fd < 0)
		return false;
	rc = bind(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return rc == 0;
}

START_TEST(ipv6_works_the_same)
{
	if (!have_ipv6()) {
		printf("no IPv6 on this machine: not tested\n");
		return;
	}
	expect_sender_known(AF_INET6);
	udp_open_family(AF_INET6);
	PUT("one\ntwo");
	EXPECT("one\ntwo");
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("udp");
	TCase *lines = udp_case(suite, "lines");
	TCase *addresses = udp_case(suite, "addresses");

	tcase_add_test(lines, bound_socket_knows_what_it_is);
	tcase_add_test(lines, an_unregistered_socket_answers_nobody);
	tcase_add_test(lines, lines_of_a_datagram_are_answered_as_one);
	tcase_add_test(lines, last_terminator_is_optional_and_stays_so);
	tcase_add_test(lines, lines_never_span_datagrams);
	tcase_add_test(lines, empty_datagram_has_no_line);
	tcase_add_test(lines, nuls_at_the_end_are_not_read);
	tcase_add_test(lines, lines_that_are_not_admitted_are_dropped);
	tcase_add_test(lines, binary_junk_comes_back_as_it_went);
	tcase_add_test(lines, datagram_of_many_lines_is_answered_whole);
	tcase_add_test(lines, too_long_line_closes_nothing);
	tcase_add_test(addresses, each_sender_gets_its_own_answer);
	tcase_add_test(addresses, sender_is_known_and_reached_by_send_to);
	tcase_add_test(addresses, size_that_no_datagram_has_is_refused);
	tcase_add_test(addresses, address_that_no_family_has_is_refused);
	tcase_add_test(addresses, empty_datagram_moves_with_its_socket);
	tcase_add_test(addresses, ipv6_works_the_same);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
