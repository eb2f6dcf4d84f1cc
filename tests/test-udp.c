/* SPDX-License-Identifier: MIT */
/*
 * Datagram sockets: the lines of a datagram, its one answer, addresses, what
 * is dropped and counted. The plain side here never blocks for long.
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

#include "recorder.h"
#include "socket_priv.h"
#include "support.h"

struct udp_case {
	struct lined_dispatcher *d;
	struct lined_socket *sock;
	struct lined_delegate *delegate; /* the socket's */
	struct lined_socket_group group;
	struct recorder recorder;
	int peer; /* connected to it */
};

/* Each test begins with an empty one. */
static struct udp_case c;

static void bind_loopback(struct lined_socket *sock, int family)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in in = support_loopback(0);
	int rc;

	if (family == AF_INET6)
		rc = lined_socket_bind(sock, SOCK_DGRAM,
				       (struct sockaddr *)&in6, sizeof(in6));
	else
		rc = lined_socket_bind(sock, SOCK_DGRAM, (struct sockaddr *)&in,
				       sizeof(in));
	ck_assert_msg(rc == 0, "bind: %s", strerror(errno));
}

static int connect_to(struct lined_socket *sock)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	int fd;

	ck_assert_int_eq(lined_socket_local(sock, &address, &len), 0);
	fd = socket(address.ss_family, SOCK_DGRAM, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, len), 0);
	return fd;
}

static void open_family(int family)
{
	memset(&c, 0, sizeof(c));
	c.d = support_dispatcher();
	c.sock = support_socket(&recorder_handlers, &c.recorder);
	c.group.limits.send_queue = LINED_SEND_QUEUE_DEFAULT;
	lined_socket_set_group(c.sock, &c.group);
	bind_loopback(c.sock, family);
	c.delegate = lined_dispatcher_register_socket(c.d, c.sock);
	ck_assert_ptr_nonnull(c.delegate);
	c.recorder.echo = true;
	c.peer = connect_to(c.sock);
}

static void open_case(void)
{
	open_family(AF_INET);
}

static void close_case(void)
{
	if (c.d == NULL)
		return;
	lined_dispatcher_free(c.d);
	recorder_fini(&c.recorder);
	close(c.peer);
	c.d = NULL;
}

static TCase *udp_case(Suite *suite, const char *name)
{
	TCase *tcase = support_case(suite, name);

	tcase_add_checked_fixture(tcase, NULL, close_case);
	return tcase;
}

static void put(int fd, const void *data, size_t len)
{
	ck_assert_int_eq(send(fd, data, len, 0), (ssize_t)len);
}

/* The next datagram that fd gets is exactly this. */
static void expect(struct lined_dispatcher *d, int fd, const void *data,
		   size_t len)
{
	static char got[70000];
	uint64_t start_ms = support_now_ms();
	ssize_t n;

	while ((n = recv(fd, got, sizeof(got), MSG_DONTWAIT)) < 0) {
		ck_assert_int_eq(errno, EAGAIN);
		support_run_for(d, 1);
		ck_assert_uint_lt(support_now_ms() - start_ms,
				  SUPPORT_WATCHDOG_MS);
	}
	ck_assert_int_eq(n, (ssize_t)len);
	ck_assert(len == 0 || memcmp(got, data, len) == 0);
}

static void expect_nothing(struct lined_dispatcher *d, int fd)
{
	char byte;

	support_run_turns(d, 5);
	support_fails(recv(fd, &byte, 1, MSG_DONTWAIT), EAGAIN);
}

#define PUT(text)    put(c.peer, text, sizeof(text) - 1)
#define EXPECT(text) expect(c.d, c.peer, text, sizeof(text) - 1)

START_TEST(bound_socket_knows_what_it_is)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	open_case();
	ck_assert_int_eq(lined_socket_state(c.sock), LINED_SOCKET_UDP_BOUND);
	ck_assert(lined_socket_is_datagram(c.sock));
	ck_assert(lined_socket_is_writeable(c.sock));
	ck_assert(!lined_socket_is_connected(c.sock));
	support_fails(lined_socket_peer(c.sock, &address, &len), ENOTCONN);
}
END_TEST

/* Takes the first line of a datagram, and leaves the rest. */
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

	open_case();
	lined_socket_set_handlers(c.sock, &handlers, &lines);
	PUT("one\ntwo\nthree\n");
	support_run_until_count(c.d, &lines, 1);
	ck_assert_int_eq(lined_dispatcher_unregister(c.d, c.delegate), 0);
	support_fails(lined_socket_send(c.sock, "x", 1), ENOTCONN);
	support_fails(lined_socket_send(c.sock, big, sizeof(big)), ENOTCONN);
	lined_socket_close(c.sock);
}
END_TEST

START_TEST(lines_of_a_datagram_are_answered_as_one)
{
	open_case();
	PUT("one\ntwo\r\n\nthree\n");
	EXPECT("one\ntwo\r\n\nthree\n");
	expect_nothing(c.d, c.peer);
	ck_assert_str_eq(recorder_log(&c.recorder),
			 "<one\\n><two\\r\\n><\\n><three\\n>");
	ck_assert_uint_eq(c.group.counters.datagrams_in, 1);
	ck_assert_uint_eq(c.group.counters.datagrams_out, 1);
	ck_assert_uint_eq(c.group.counters.lines_in, 4);
}
END_TEST

START_TEST(last_terminator_is_optional_and_stays_so)
{
	open_case();
	PUT("one\ntwo");
	EXPECT("one\ntwo");
	PUT("alone");
	EXPECT("alone");
	PUT("cr\r");
	EXPECT("cr\r");
	ck_assert_str_eq(recorder_log(&c.recorder),
			 "<one\\n><two><alone><cr\\r>");
	/* It is no loss: `unterminated` counts rests dropped. */
	ck_assert_uint_eq(c.group.counters.unterminated, 0);
}
END_TEST

START_TEST(lines_never_span_datagrams)
{
	open_case();
	PUT("half");
	PUT("way\n");
	EXPECT("half");
	EXPECT("way\n");
	ck_assert_str_eq(recorder_log(&c.recorder), "<half><way\\n>");
}
END_TEST

START_TEST(empty_datagram_has_no_line)
{
	open_case();
	put(c.peer, "", 0);
	put(c.peer, "\0\0", 2);
	PUT("after\n");
	EXPECT("after\n");
	support_run_turns(c.d, 3);
	expect_nothing(c.d, c.peer);
	ck_assert_uint_eq(c.group.counters.datagrams_in, 3);
	ck_assert_uint_eq(c.group.counters.lines_in, 1);
	ck_assert_uint_eq(c.recorder.closes, 0);
	ck_assert_str_eq(recorder_log(&c.recorder), "<after\\n>");
}
END_TEST

START_TEST(nuls_at_the_end_are_not_read)
{
	struct lined_framing framing = LINED_FRAMING_DEFAULT;

	open_case();
	put(c.peer, "one\r\ntwo\n\0\0\0", 12);
	EXPECT("one\r\ntwo\n");
	put(c.peer, "a\0b\0", 4);
	expect(c.d, c.peer, "a\0b", 3);
	framing.terminator = LINED_TERMINATOR_BYTE;
	lined_socket_set_framing(c.sock, &framing);
	put(c.peer, "one\0two\0\0\0", 10);
	expect(c.d, c.peer, "one\0two\0", 8);
	put(c.peer, "\0\0", 2);
	put(c.peer, "three", 5);
	expect(c.d, c.peer, "three", 5);
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
	open_case();
	c.group.admit_line = admit_two;
	PUT("one\ntwo\nthree\nfour");
	EXPECT("one\ntwo\n");
	PUT("five\n");
	support_run_turns(c.d, 3);
	expect_nothing(c.d, c.peer);
	ck_assert_uint_eq(c.group.counters.lines_in, 2);
}
END_TEST

START_TEST(binary_junk_comes_back_as_it_went)
{
	char junk[1024];

	open_case();
	for (unsigned round = 0; round < 50; round++) {
		size_t len = 1 + round * 20;

		for (size_t i = 0; i < len; i++)
			junk[i] = (char)(i * 167 + round * 31 + i / 7);
		junk[len - 1] |= 1; /* NULs at the end are not read */
		put(c.peer, junk, len);
		expect(c.d, c.peer, junk, len);
	}
}
END_TEST

START_TEST(datagram_of_many_lines_is_answered_whole)
{
	static char data[40000];

	open_case();
	c.recorder.quiet = true;
	memset(data, '\n', sizeof(data)); /* more lines than a turn's budget */
	put(c.peer, data, sizeof(data));
	expect(c.d, c.peer, data, sizeof(data));
	ck_assert_uint_eq(c.recorder.lines, sizeof(data));
	PUT("next\n");
	EXPECT("next\n");
}
END_TEST

START_TEST(too_long_line_closes_nothing)
{
	struct lined_framing framing = LINED_FRAMING_DEFAULT;

	open_case();
	framing.line_length = 5;
	lined_socket_set_framing(c.sock, &framing);
	PUT("abcdefgh\nxy\n");
	support_run_until_count(c.d, &c.recorder.too_long, 1);
	EXPECT("xy\n");
	ck_assert_uint_eq(c.recorder.too_long, 1);
	ck_assert_uint_eq(c.recorder.closes, 0);
	framing.too_long = LINED_TOO_LONG_SKIP;
	lined_socket_set_framing(c.sock, &framing);
	PUT("abcdefgh\nxy\nabcdefgh");
	EXPECT("xy\n");
	ck_assert_uint_eq(c.recorder.too_long, 3);
	framing.too_long = LINED_TOO_LONG_TRUNCATE;
	lined_socket_set_framing(c.sock, &framing);
	PUT("abcdefgh\nxy\nabcdefgh");
	EXPECT("abcde\nxy\nabcde");
}
END_TEST

START_TEST(each_sender_gets_its_own_answer)
{
	int other;

	open_case();
	other = connect_to(c.sock);
	PUT("first\n");
	put(other, "second\n", 7);
	EXPECT("first\n");
	expect(c.d, other, "second\n", 7);
	expect_nothing(c.d, c.peer);
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
	open_family(family);
	lined_socket_set_handlers(c.sock, &handlers, &caller);
	PUT("hello\n");
	support_run_until_count(c.d, &caller.calls, 1);
	ck_assert_int_eq(getsockname(c.peer, (struct sockaddr *)&local, &len),
			 0);
	ck_assert_uint_eq(caller.len, len);
	ck_assert_mem_eq(&caller.from, &local, len);
	/* The address is known and kept: an answer later, by send_to. */
	support_fails(lined_socket_send(c.sock, "no\n", 3), EDESTADDRREQ);
	ck_assert_int_eq(lined_socket_send_to(c.sock, "late\n", 5,
					      (struct sockaddr *)&caller.from,
					      caller.len),
			 0);
	EXPECT("late\n");
	close_case();
}

START_TEST(sender_is_known_and_reached_by_send_to)
{
	expect_sender_known(AF_INET);
}
END_TEST

struct reluctant {
	unsigned reads, lines;
};

/* Not now. */
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

/* It holds a datagram, though not one byte. */
START_TEST(empty_datagram_moves_with_its_socket)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = reluctant_read,
	};
	struct reluctant late = {.reads = 0};

	open_case();
	lined_socket_set_handlers(c.sock, &handlers, &late);
	put(c.peer, "", 0);
	support_run_until_count(c.d, &late.reads, 1);
	ck_assert_int_eq(lined_dispatcher_unregister(c.d, &c.sock->delegate),
			 0);
	lined_socket_resume(c.sock);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(c.d, c.sock));
	put(c.peer, "next", 4);
	support_run_until_count(c.d, &late.lines, 1);
}
END_TEST

/* Nothing is that long: a length went below zero somewhere. */
START_TEST(size_that_no_datagram_has_is_refused)
{
	const struct sockaddr_in to = support_loopback(9);

	open_case();
	support_fails(lined_socket_send_to(c.sock, "x", SIZE_MAX - 20,
					   (const struct sockaddr *)&to,
					   sizeof(to)),
		      ENOBUFS);
	c.group.limits.send_queue = 0;
	support_fails(lined_socket_send_to(c.sock, "x", SIZE_MAX - 20,
					   (const struct sockaddr *)&to,
					   sizeof(to)),
		      EMSGSIZE);
	ck_assert_uint_eq(lined_socket_queued(c.sock), 0);
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
	open_family(AF_INET6);
	PUT("one\ntwo");
	EXPECT("one\ntwo");
}
END_TEST

static bool admit_none(struct lined_socket *sock, const struct sockaddr *from,
		       socklen_t len)
{
	ck_assert_int_eq(from->sa_family, AF_INET);
	ck_assert_uint_eq(len, sizeof(struct sockaddr_in));
	return false;
}

START_TEST(datagram_not_admitted_is_dropped_and_counted)
{
	open_case();
	c.group.admit = admit_none;
	PUT("let me in\n");
	expect_nothing(c.d, c.peer);
	ck_assert_uint_eq(c.recorder.lines, 0);
	ck_assert_uint_eq(c.group.counters.datagrams_dropped, 1);
	c.group.admit = NULL;
	PUT("now\n");
	EXPECT("now\n");
}
END_TEST

START_TEST(paused_socket_keeps_datagrams_in_the_kernel)
{
	open_case();
	lined_socket_pause(c.sock);
	PUT("wait\n");
	expect_nothing(c.d, c.peer);
	ck_assert_uint_le(support_run_for(c.d, 30), 3);
	lined_socket_resume(c.sock);
	EXPECT("wait\n");
}
END_TEST

struct late_reader {
	bool raw, pauses;
	unsigned calls, taken;
	size_t len;
};

/* Looks away the first time. */
static void late_read(struct lined_socket *sock, void *arg)
{
	struct late_reader *late = arg;
	enum lined_line_status status;
	struct lined_line line;

	if (late->calls++ == 0) {
		if (late->pauses)
			lined_socket_pause(sock);
		return;
	}
	status = late->raw ? lined_socket_read(sock, &line)
			   : lined_socket_read_line(sock, &line);
	if (status != LINED_LINE_READY)
		return;
	late->taken++;
	late->len += line.len;
	ck_assert_int_eq(line.text[line.len], '\0');
	lined_socket_send_line(sock, &line);
}

START_TEST(datagram_waits_for_a_reader_that_looks_away)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = late_read,
	};

	for (int i = 0; i < 8; i++) {
		struct late_reader late = {.raw = i & 1, .pauses = i & 4};
		if (!late.raw && !(i & 2))
			continue; /* an empty datagram has no line */
		open_case();
		lined_socket_set_handlers(c.sock, &handlers, &late);
		put(c.peer, "line", i & 2 ? 4 : 0);
		if (late.pauses) {
			support_run_until_count(c.d, &late.calls, 1);
			ck_assert_uint_le(support_run_for(c.d, 30), 3);
			lined_socket_resume(c.sock);
		}
		expect(c.d, c.peer, "line", i & 2 ? 4 : 0);
		support_run_turns(c.d, 3);
		ck_assert_uint_eq(late.taken, 1);
		close_case();
	}
}
END_TEST

/* Neither a discarded rest nor its last CR is carried into the next one. */
START_TEST(datagrams_share_nothing_of_the_framing)
{
	struct lined_framing f = LINED_FRAMING_DEFAULT;

	f.terminator = LINED_TERMINATOR_CRLF;
	f.line_length = 4;
	for (unsigned policy = 0; policy <= LINED_TOO_LONG_TRUNCATE; policy++) {
		open_case();
		f.too_long = (uint8_t)policy;
		lined_socket_set_framing(c.sock, &f);
		PUT("too long\r");
		if (policy == LINED_TOO_LONG_TRUNCATE)
			EXPECT("too ");
		PUT("\nab\r\n");
		EXPECT("\nab\r\n");
		ck_assert_str_eq(recorder_log(&c.recorder),
				 policy == LINED_TOO_LONG_TRUNCATE
					 ? "<too ...><\\nab\\r\\n>"
					 : "!<\\nab\\r\\n>");
		ck_assert_uint_eq(c.group.counters.bare_lf, 1);
		close_case();
	}
}
END_TEST

/* An answer to a port where nobody listens is an ICMP error, not an end. */
START_TEST(sender_that_is_gone_closes_nothing)
{
	open_case();
	for (int i = 0; i < 3; i++) {
		int gone = connect_to(c.sock);

		put(gone, "bye\n", 4);
		close(gone);
		support_run_turns(c.d, 3);
	}
	PUT("still there\n");
	EXPECT("still there\n");
	ck_assert_uint_eq(c.recorder.closes, 0);
}
END_TEST

/*
 * UNIX datagrams show what loopback UDP cannot: a receiver whose queue is full
 * (EAGAIN), and a datagram bigger than any UDP one.
 */
static struct sockaddr_un abstract_address(socklen_t *len)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
		 "lined-test-%ld-%s", (long)getpid(), getenv("LINED_POLLER"));
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   strlen(address.sun_path + 1));
	return address;
}

static struct lined_socket *wrap_datagram(struct lined_dispatcher *d,
					  struct recorder *recorder,
					  struct lined_socket_group *group,
					  int fd)
{
	struct lined_socket *sock =
		support_socket(&recorder_handlers, recorder);

	lined_socket_set_group(sock, group);
	ck_assert_int_eq(lined_socket_wrap(sock, fd, LINED_SOCKET_UDP_BOUND),
			 0);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(d, sock));
	return sock;
}

START_TEST(full_receiver_is_waited_for)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct recorder recorder = {0};
	struct lined_socket_group group = {.limits = {.send_queue = 1 << 20}};
	struct lined_socket *sock;
	socklen_t len;
	struct sockaddr_un address = abstract_address(&len);
	int receiver = socket(AF_UNIX, SOCK_DGRAM, 0);
	char text[32];

	ck_assert_int_ge(receiver, 0);
	ck_assert_int_eq(bind(receiver, (struct sockaddr *)&address, len), 0);
	sock = wrap_datagram(d, &recorder, &group,
			     socket(AF_UNIX, SOCK_DGRAM, 0));
	for (int i = 0; i < 3000; i++) {
		int n = snprintf(text, sizeof(text), "datagram %d", i);

		ck_assert_int_eq(
			lined_socket_send_to(sock, text, (size_t)n,
					     (struct sockaddr *)&address, len),
			0);
	}
	support_run_turns(d, 3);
	ck_assert(lined_socket_is_send_data_buffered(sock));
	for (int i = 0; i < 3000; i++) {
		int n = snprintf(text, sizeof(text), "datagram %d", i);

		expect(d, receiver, text, (size_t)n);
	}
	ck_assert(!lined_socket_is_send_data_buffered(sock));
	ck_assert_uint_eq(group.counters.datagrams_out, 3000);
	ck_assert_uint_eq(group.counters.datagrams_dropped, 0);
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
	close(receiver);
}
END_TEST

START_TEST(send_over_the_queues_limit_is_dropped_and_counted)
{
	struct sockaddr_in address = support_loopback(support_refused_port());
	static char data[3000];

	open_case();
	c.group.limits.send_queue = 5000;
	c.sock->blocked = true;
	ck_assert_int_eq(lined_socket_send_to(c.sock, data, sizeof(data),
					      (struct sockaddr *)&address,
					      sizeof(address)),
			 0);
	support_fails(lined_socket_send_to(c.sock, data, sizeof(data),
					   (struct sockaddr *)&address,
					   sizeof(address)),
		      ENOBUFS);
	ck_assert_uint_eq(c.group.counters.datagrams_dropped, 1);
}
END_TEST

START_TEST(queue_is_sent_before_a_datagram_is_dropped)
{
	struct sockaddr_in address = support_loopback(support_refused_port());
	static char data[3000];
	unsigned i;

	open_case();
	c.group.limits.send_queue = 5000;
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(
			lined_socket_send_to(c.sock, data, sizeof(data),
					     (struct sockaddr *)&address,
					     sizeof(address)),
			0);
	ck_assert_uint_eq(lined_socket_queued(c.sock), sizeof(data));
}
END_TEST

/* Each takes more than the one byte that it has. */
START_TEST(queue_of_the_shortest_datagrams_is_charged_and_has_its_limit)
{
	struct sockaddr_in address = support_loopback(support_refused_port());
	const struct sockaddr *to = (const struct sockaddr *)&address;
	struct memory_account *account;
	int64_t before;
	unsigned sent = 0;

	open_case();
	c.group.limits.send_queue = 50000;
	account = &c.d->pool.memory;
	before = account->held;
	c.sock->blocked = true;
	while (sent < 50000 &&
	       lined_socket_send_to(c.sock, "x", 1, to, sizeof(address)) == 0)
		sent++;
	ck_assert_int_eq(errno, ENOBUFS);
	ck_assert_uint_gt(sent, 200);
	ck_assert_int_ge(account->held, before + 90000);
	ck_assert_int_le(account->held, before + 100000);
	/* The queue belongs to the socket, not to the dispatcher. */
	ck_assert_int_eq(lined_dispatcher_unregister(c.d, c.delegate), 0);
	ck_assert_int_le(account->held, before);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(c.d, c.sock));
	ck_assert_int_ge(account->held, before + 90000);
	support_run_turns(c.d, 2);
	ck_assert(!lined_socket_is_send_data_buffered(c.sock));
	ck_assert_int_eq(account->held, before);
}
END_TEST

START_TEST(truncated_datagram_is_counted_and_never_half_used)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct recorder recorder = {0};
	struct lined_socket_group group = {.limits = {.send_queue = 1 << 20}};
	static char big[100000];
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	wrap_datagram(d, &recorder, &group, fds[0]);
	memset(big, '\n', sizeof(big));
	put(fds[1], big, sizeof(big));
	put(fds[1], "small\n", 6);
	support_run_until_count(d, &recorder.lines, 1);
	ck_assert_str_eq(recorder_log(&recorder), "<small\\n>");
	ck_assert_uint_eq(group.counters.datagrams_dropped, 1);
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
	close(fds[1]);
}
END_TEST

/* Answers a line, and wants to see no more. */
static void last_read(struct lined_socket *sock, void *arg)
{
	struct recorder *recorder = arg;
	struct lined_line line;

	recorder->reads++;
	ck_assert_int_eq(lined_socket_read_line(sock, &line), LINED_LINE_READY);
	lined_socket_send_line(sock, &line);
	lined_socket_close_after_flush(sock, LINED_CLOSE_LIMIT, 0);
	ck_assert_int_eq(lined_socket_read_line(sock, &line),
			 LINED_LINE_CLOSED);
	lined_socket_send(sock, "bye\n", 4);
}

static void last_close(struct lined_socket *sock, void *arg,
		       enum lined_close_reason reason, int error)
{
	recorder_handlers.handle_close(sock, arg, reason, error);
}

START_TEST(close_after_flush_sends_what_was_answered)
{
	static const struct lined_socket_handlers handlers = {
		.handle_read = last_read,
		.handle_close = last_close,
	};

	open_case();
	lined_socket_set_handlers(c.sock, &handlers, &c.recorder);
	PUT("one\ntwo\n");
	PUT("three\n");
	EXPECT("one\nbye\n");
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(c.recorder.reason, LINED_CLOSE_LIMIT);
	ck_assert_uint_eq(c.recorder.reads, 1);
	ck_assert_uint_eq(c.group.counters.queued, 0);
}
END_TEST

/* A datagram socket counts neither as an opened nor as a closed connection. */
START_TEST(its_end_counts_as_no_connections)
{
	open_case();
	lined_socket_close_for(c.sock, LINED_CLOSE_SHUTDOWN, 0);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	for (int i = 0; i < LINED_CLOSE_REASONS; i++)
		ck_assert_uint_eq(c.group.counters.closed[i], 0);
}
END_TEST

/* Lines of the datagram that were not read before the close get no answer. */
START_TEST(close_after_flush_ends_a_datagram_half_read)
{
	open_case();
	c.recorder.stop_after = 1;
	PUT("one\ntwo\n");
	support_run_until_count(c.d, &c.recorder.lines, 1);
	lined_socket_close_after_flush(c.sock, LINED_CLOSE_LIMIT, 0);
	EXPECT("one\n");
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_uint_eq(c.recorder.lines, 1);
}
END_TEST

START_TEST(close_after_flush_waits_until_its_time_is_up)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct recorder recorder = {0};
	struct lined_socket_group group = {.limits = {.send_queue = 1 << 20}};
	struct lined_socket *sock;
	socklen_t len;
	struct sockaddr_un address = abstract_address(&len);
	int receiver = socket(AF_UNIX, SOCK_DGRAM, 0);

	ck_assert_int_ge(receiver, 0);
	ck_assert_int_eq(bind(receiver, (struct sockaddr *)&address, len), 0);
	sock = wrap_datagram(d, &recorder, &group,
			     socket(AF_UNIX, SOCK_DGRAM, 0));
	for (int i = 0; i < 3000; i++)
		ck_assert_int_eq(
			lined_socket_send_to(sock, "x", 1,
					     (struct sockaddr *)&address, len),
			0);
	lined_socket_close_after_flush(sock, LINED_CLOSE_LIMIT, 50);
	support_run_turns(d, 2);
	ck_assert_uint_eq(recorder.closes, 0);
	support_run_until_count(d, &recorder.closes, 1);
	ck_assert_int_eq(recorder.reason, LINED_CLOSE_LIMIT);
	ck_assert_uint_eq(group.counters.queued, 0);
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
	close(receiver);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("udp");
	TCase *lines = udp_case(suite, "lines");
	TCase *addresses = udp_case(suite, "addresses");
	TCase *drops = udp_case(suite, "drops");
	TCase *ends = udp_case(suite, "ends");

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
	tcase_add_test(lines, datagram_waits_for_a_reader_that_looks_away);
	tcase_add_test(lines, datagrams_share_nothing_of_the_framing);
	tcase_add_test(addresses, each_sender_gets_its_own_answer);
	tcase_add_test(addresses, sender_is_known_and_reached_by_send_to);
	tcase_add_test(addresses, size_that_no_datagram_has_is_refused);
	tcase_add_test(addresses, empty_datagram_moves_with_its_socket);
	tcase_add_test(addresses, ipv6_works_the_same);
	tcase_add_test(addresses, sender_that_is_gone_closes_nothing);
	tcase_add_test(drops, datagram_not_admitted_is_dropped_and_counted);
	tcase_add_test(drops, paused_socket_keeps_datagrams_in_the_kernel);
	tcase_add_test(drops, full_receiver_is_waited_for);
	tcase_add_test(drops, queue_is_sent_before_a_datagram_is_dropped);
	tcase_add_test(drops,
		       send_over_the_queues_limit_is_dropped_and_counted);
	tcase_add_test(
		drops,
		queue_of_the_shortest_datagrams_is_charged_and_has_its_limit);
	tcase_add_test(drops,
		       truncated_datagram_is_counted_and_never_half_used);
	tcase_add_test(ends, its_end_counts_as_no_connections);
	tcase_add_test(ends, close_after_flush_sends_what_was_answered);
	tcase_add_test(ends, close_after_flush_ends_a_datagram_half_read);
	tcase_add_test(ends, close_after_flush_waits_until_its_time_is_up);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
