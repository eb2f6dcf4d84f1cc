/* SPDX-License-Identifier: MIT */
/*
 * Connecting to an address: every family, the deadline, adopted descriptors,
 * and that exactly one of handle_connect and handle_close is called. To be run
 * under a thread sanitizer as well.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "connect_fixture.h"
#include "support.h"

/* ---- families -------------------------------------------------------- */

START_TEST(connects_over_ipv4)
{
	attempt_start(&attempt, "127.0.0.1", port, 0);
	ck_assert(lined_socket_is_connecting(attempt.sock));
	ck_assert_uint_eq(attempt.connects, 0);
	ck_assert_int_eq(lined_dispatcher_poll(dispatcher, 0), 1);
	assert_connects(&attempt);
	assert_echoes(&attempt, listener);
}
END_TEST

START_TEST(connects_over_ipv6)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6,
				       .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t len = sizeof(address);
	int server = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* A machine without IPv6 has nothing to check here. */
	if (server >= 0 &&
	    bind(server, (struct sockaddr *)&address, len) == 0) {
		ck_assert_int_eq(listen(server, 5), 0);
		getsockname(server, (struct sockaddr *)&address, &len);
		attempt_start(&attempt, "::1", ntohs(address.sin6_port), 0);
		decide(&attempt);
		assert_connected(&attempt);
		assert_echoes(&attempt, server);
	}
	if (server >= 0)
		close(server);
}
END_TEST

static socklen_t unix_address(struct sockaddr_un *address)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path, sizeof(address->sun_path),
		 "/tmp/lined-test-connect.%d", (int)getpid());
	unlink(address->sun_path);
	return sizeof(*address);
}

START_TEST(connects_over_unix)
{
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	socklen_t len = unix_address(&address);

	ck_assert_int_eq(bind(server, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(listen(server, 5), 0);
	attempt_open(&attempt);
	attempt_connect_to(&attempt, &address, len, 0);
	assert_connects(&attempt);
	assert_echoes(&attempt, server);
	unlink(address.sun_path);
	close(server);
}
END_TEST

START_TEST(a_unix_path_that_is_not_there_is_ENOENT)
{
	struct sockaddr_un address;
	socklen_t len = unix_address(&address);

	attempt_open(&attempt);
	attempt_connect_to(&attempt, &address, len, 0);
	/* The error is known at once, but is not reported within the call. */
	ck_assert_uint_eq(attempt.closes, 0);
	assert_fails(&attempt, LINED_CLOSE_ERROR, ENOENT);
}
END_TEST

START_TEST(a_connect_may_be_asked_for_before_registering)
{
	attempt_init(&attempt);
	attempt_connect(&attempt, "127.0.0.1", port, 0);
	ck_assert(lined_socket_is_connecting(attempt.sock));
	attempt_register(&attempt);
	assert_connects(&attempt);
	assert_echoes(&attempt, listener);
}
END_TEST

START_TEST(what_is_sent_before_the_connection_stands_arrives)
{
	int peer;

	attempt_start(&attempt, "localhost", port, 0);
	ck_assert_int_eq(lined_socket_send(attempt.sock, "one\n", 4), 0);
	ck_assert_int_eq(lined_socket_send(attempt.sock, "two\n", 4), 0);
	assert_connects(&attempt);
	peer = accept(listener, NULL, NULL);
	support_expect(dispatcher, peer, "one\ntwo\n");
	close(peer);
}
END_TEST

START_TEST(a_second_connect_is_refused)
{
	attempt_start(&attempt, "127.0.0.1", port, 0);
	support_fails(lined_socket_connect(attempt.sock, "127.0.0.1", port, 0),
		      EALREADY);
	decide(&attempt);
	support_fails(lined_socket_connect(attempt.sock, "127.0.0.1", port, 0),
		      EISCONN);
	assert_connected(&attempt);
}
END_TEST

/* ---- failures -------------------------------------------------------- */

START_TEST(a_refused_connect_never_connects)
{
	attempt_start(&attempt, "127.0.0.1", support_refused_port(), 0);
	assert_fails(&attempt, LINED_CLOSE_ERROR, ECONNREFUSED);
	ck_assert_int_eq(lined_dispatcher_poll(dispatcher, -1), 0);
}
END_TEST

START_TEST(an_address_that_never_answers_meets_the_deadline)
{
	uint64_t start_ms;

	silent_listen();
	attempt_open(&attempt);
	start_ms = support_now_ms();
	attempt_connect(&attempt, "127.0.0.1", silent_port, 150);
	decide(&attempt);
	ck_assert_uint_ge(support_now_ms() - start_ms + 2, 150);
	assert_failed(&attempt, LINED_CLOSE_TIMEOUT, ETIMEDOUT);
}
END_TEST

/* A UNIX listener whose backlog is full. */
struct full_listener {
	struct sockaddr_un address;
	socklen_t len;
	int fd;
	int fillers[8];
	unsigned count;
};

static void full_listener_open(struct full_listener *full)
{
	full->len = unix_address(&full->address);
	full->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(
		bind(full->fd, (struct sockaddr *)&full->address, full->len),
		0);
	ck_assert_int_eq(listen(full->fd, 1), 0);
	for (full->count = 0; full->count < 8; full->count++) {
		int fd = socket(AF_UNIX,
				SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		full->fillers[full->count] = fd;
		if (connect(fd, (struct sockaddr *)&full->address, full->len) <
		    0) {
			ck_assert_int_eq(errno, EAGAIN);
			close(fd);
			return;
		}
	}
	ck_abort_msg("a backlog of 1 has room for all");
}

/* Accepts and closes all waiting connections. */
static void full_listener_empty(struct full_listener *full)
{
	while (full->count > 0) {
		close(accept(full->fd, NULL, NULL));
		close(full->fillers[--full->count]);
	}
}

static void full_listener_close(struct full_listener *full)
{
	full_listener_empty(full);
	close(full->fd);
	unlink(full->address.sun_path);
}

static void connect_to_full(struct attempt *a, const struct full_listener *full,
			    uint32_t timeout_ms)
{
	attempt_connect_to(a, &full->address, full->len, timeout_ms);
}

START_TEST(a_full_unix_listener_is_tried_until_it_has_room)
{
	struct full_listener full;
	int fd;

	full_listener_open(&full);
	attempt_open(&attempt);
	connect_to_full(&attempt, &full, 0);
	fd = lined_socket_fd(attempt.sock);
	/* The loop does not spin. */
	ck_assert_uint_le(support_run_for(dispatcher, 200), 15);
	ck_assert_uint_eq(attempt.connects + attempt.closes, 0);
	ck_assert(lined_socket_is_connecting(attempt.sock));
	full_listener_empty(&full);
	assert_connects(&attempt);
	/* The socket keeps the descriptor and its options. */
	ck_assert_int_eq(lined_socket_fd(attempt.sock), fd);
	assert_echoes(&attempt, full.fd);
	full_listener_close(&full);
}
END_TEST

START_TEST(a_unix_listener_that_stays_full_meets_the_deadline)
{
	struct full_listener full;
	uint64_t start_ms;

	full_listener_open(&full);
	attempt_init(&attempt);
	connect_to_full(&attempt, &full, 150);
	start_ms = support_now_ms();
	attempt_register(&attempt);
	decide(&attempt);
	ck_assert_uint_ge(support_now_ms() - start_ms + 2, 150);
	assert_failed(&attempt, LINED_CLOSE_TIMEOUT, ETIMEDOUT);
	full_listener_close(&full);
}
END_TEST

START_TEST(a_connect_to_a_full_unix_listener_may_be_ended)
{
	struct full_listener full;
	struct attempt closed, left, gone;

	full_listener_open(&full);
	attempt_open(&closed);
	connect_to_full(&closed, &full, 0);
	support_run_turns(dispatcher, 2);
	lined_socket_close(closed.sock);
	assert_failed(&closed, LINED_CLOSE_LOCAL, 0);
	/* Nobody listens there any more. */
	attempt_open(&gone);
	connect_to_full(&gone, &full, 0);
	support_run_turns(dispatcher, 2);
	unlink(full.address.sun_path);
	assert_fails(&gone, LINED_CLOSE_ERROR, ENOENT);
	full_listener_close(&full);
	/* The dispatcher ends while a connect waits. */
	full_listener_open(&full);
	attempt_open(&left);
	connect_to_full(&left, &full, 0);
	ck_assert_int_eq(lined_dispatcher_poll(dispatcher, 0), 1);
	free_dispatcher();
	ck_assert_uint_eq(left.closes, 1);
	ck_assert_int_eq(left.reason, LINED_CLOSE_SHUTDOWN);
	full_listener_close(&full);
}
END_TEST

START_TEST(a_pending_connect_keeps_the_dispatcher_open)
{
	silent_listen();
	attempt_start(&attempt, "127.0.0.1", silent_port, 0);
	ck_assert_int_eq(lined_dispatcher_poll(dispatcher, 0), 1);
	ck_assert_uint_eq(lined_dispatcher_len(dispatcher), 1);
	free_dispatcher();
	ck_assert_uint_eq(attempt.closes, 1);
	ck_assert_int_eq(attempt.reason, LINED_CLOSE_SHUTDOWN);
}
END_TEST

/* ---- descriptors of others ------------------------------------------- */

/* Returns a non-blocking descriptor whose connect is in progress. */
static int connecting_fd(uint16_t to)
{
	struct sockaddr_in address = support_loopback(to);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		ck_assert_int_eq(errno, EINPROGRESS);
	return fd;
}

/* Wraps the descriptor before (0) or after (1) the socket is registered. */
static void adopt_connecting(struct attempt *a, int fd, int when)
{
	attempt_init(a);
	if (when == 1)
		attempt_register(a);
	ck_assert_int_eq(
		lined_socket_wrap(a->sock, fd, LINED_SOCKET_CONNECTING), 0);
	ck_assert(lined_socket_is_connecting(a->sock));
	ck_assert_int_eq(lined_socket_fd(a->sock), fd);
	if (when == 0)
		attempt_register(a);
}

START_TEST(a_connect_under_way_is_adopted)
{
	adopt_connecting(&attempt, connecting_fd(port), _i);
	assert_connects(&attempt);
	assert_echoes(&attempt, listener);
}
END_TEST

START_TEST(an_adopted_connect_that_is_refused_never_connects)
{
	adopt_connecting(&attempt, connecting_fd(support_refused_port()), _i);
	assert_fails(&attempt, LINED_CLOSE_ERROR, ECONNREFUSED);
}
END_TEST

START_TEST(an_adopted_connect_may_be_closed)
{
	int fd;

	silent_listen();
	fd = connecting_fd(silent_port);
	adopt_connecting(&attempt, fd, _i);
	lined_dispatcher_poll(dispatcher, 0);
	lined_socket_close(attempt.sock);
	assert_failed(&attempt, LINED_CLOSE_LOCAL, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

/* A protocol may have set options on the descriptor. */
START_TEST(an_idle_descriptor_is_adopted_and_connects)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	attempt_open(&attempt);
	ck_assert_int_eq(lined_socket_wrap(attempt.sock, fd, LINED_SOCKET_IDLE),
			 0);
	ck_assert_int_eq(lined_socket_fd(attempt.sock), fd);
	support_run_turns(dispatcher, 2);
	attempt_connect(&attempt, "127.0.0.1", port, 0);
	ck_assert_int_eq(lined_socket_fd(attempt.sock), fd);
	assert_connects(&attempt);
	assert_echoes(&attempt, listener);
}
END_TEST

/* ---- closing --------------------------------------------------------- */

START_TEST(a_close_while_idle_and_unregistered_is_told_at_once)
{
	attempt_init(&attempt);
	lined_socket_close(attempt.sock);
	ck_assert_uint_eq(attempt.closes, 1);
	ck_assert_int_eq(attempt.reason, LINED_CLOSE_LOCAL);
}
END_TEST

START_TEST(a_close_after_connect_but_before_registering_is_told_at_once)
{
	attempt_init(&attempt);
	attempt_connect(&attempt, "localhost", 1, 0);
	lined_socket_close(attempt.sock);
	ck_assert_uint_eq(attempt.closes, 1);
	ck_assert_uint_eq(attempt.connects, 0);
}
END_TEST

START_TEST(a_registered_idle_socket_closes_in_a_turn)
{
	attempt_open(&attempt);
	ck_assert_uint_eq(lined_dispatcher_len(dispatcher), 1);
	lined_socket_close(attempt.sock);
	ck_assert_uint_eq(attempt.closes, 0);
	ck_assert_int_eq(lined_dispatcher_poll(dispatcher, -1), 0);
	assert_failed(&attempt, LINED_CLOSE_LOCAL, 0);
}
END_TEST

START_TEST(a_close_while_connecting_is_final)
{
	attempt_start(&attempt, "127.0.0.1", port, 0);
	/* The kernel has connected it already: handle_connect must not run. */
	lined_socket_close(attempt.sock);
	ck_assert(lined_socket_is_closed(attempt.sock));
	ck_assert_int_eq(lined_dispatcher_poll(dispatcher, -1), 0);
	assert_failed(&attempt, LINED_CLOSE_LOCAL, 0);
}
END_TEST

static void close_in_handler(struct attempt *a)
{
	lined_socket_close(a->sock);
	ck_assert(lined_socket_is_closed(a->sock));
}

START_TEST(a_close_made_in_handle_connect_stays)
{
	int peer;

	attempt_init(&attempt);
	attempt.on_connect = close_in_handler;
	attempt_register(&attempt);
	attempt_connect(&attempt, "127.0.0.1", port, 0);
	ck_assert_int_eq(lined_socket_send(attempt.sock, "dropped", 7), 0);
	peer = accept(listener, NULL, NULL);
	support_puts(peer, "unread\n");
	support_run_until_count(dispatcher, &attempt.closes, 1);
	support_run_turns(dispatcher, 3);
	ck_assert_uint_eq(attempt.connects, 1);
	ck_assert_uint_eq(attempt.closes, 1);
	ck_assert_uint_eq(attempt.reads, 0);
	ck_assert_int_eq(attempt.state_in_handler, LINED_SOCKET_CONNECTED);
	ck_assert_int_eq(attempt.reason, LINED_CLOSE_LOCAL);
	close(peer);
}
END_TEST

START_TEST(close_after_flush_while_connecting_sends_what_is_queued)
{
	int peer;

	attempt_start(&attempt, "127.0.0.1", port, 0);
	ck_assert_int_eq(lined_socket_send(attempt.sock, "last\n", 5), 0);
	lined_socket_close_after_flush(attempt.sock, LINED_CLOSE_LOCAL, 0);
	peer = accept(listener, NULL, NULL);
	support_expect(dispatcher, peer, "last\n");
	support_expect_eof(dispatcher, peer);
	support_run_until_count(dispatcher, &attempt.closes, 1);
	ck_assert_int_eq(attempt.reason, LINED_CLOSE_LOCAL);
	close(peer);
}
END_TEST

/* Many connects at once, some of which are refused: there is one callback for
 * each. */
START_TEST(each_of_many_connects_is_told_exactly_once)
{
	struct attempt attempts[60];
	uint16_t refused = support_refused_port();
	int i;

	for (i = 0; i < 60; i++) {
		attempt_start(&attempts[i],
			      i % 2 == 0 ? "127.0.0.1" : "localhost",
			      i % 3 == 0 ? refused : port, 5000);
	}
	for (i = 0; i < 60; i++)
		decide(&attempts[i]);
	support_run_turns(dispatcher, 5);
	for (i = 0; i < 60; i++) {
		ck_assert_uint_eq(attempts[i].connects, i % 3 != 0);
		ck_assert_uint_eq(attempts[i].closes, i % 3 == 0);
	}
	free_dispatcher();
	for (i = 0; i < 60; i++)
		ck_assert_uint_eq(attempts[i].closes, 1);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("connect");
	TCase *tcase = connect_case(suite, "families");

	tcase_add_test(tcase, connects_over_ipv4);
	tcase_add_test(tcase, connects_over_ipv6);
	tcase_add_test(tcase, connects_over_unix);
	tcase_add_test(tcase, a_unix_path_that_is_not_there_is_ENOENT);
	tcase_add_test(tcase, a_connect_may_be_asked_for_before_registering);
	tcase_add_test(tcase,
		       what_is_sent_before_the_connection_stands_arrives);
	tcase_add_test(tcase, a_second_connect_is_refused);

	tcase = connect_case(suite, "failures");
	tcase_add_test(tcase, a_refused_connect_never_connects);
	tcase_add_test(tcase, an_address_that_never_answers_meets_the_deadline);
	tcase_add_test(tcase, a_full_unix_listener_is_tried_until_it_has_room);
	tcase_add_test(tcase,
		       a_unix_listener_that_stays_full_meets_the_deadline);
	tcase_add_test(tcase, a_connect_to_a_full_unix_listener_may_be_ended);
	tcase_add_test(tcase, a_pending_connect_keeps_the_dispatcher_open);

	tcase = connect_case(suite, "descriptors");
	tcase_add_loop_test(tcase, a_connect_under_way_is_adopted, 0, 2);
	tcase_add_loop_test(
		tcase, an_adopted_connect_that_is_refused_never_connects, 0, 2);
	tcase_add_loop_test(tcase, an_adopted_connect_may_be_closed, 0, 2);
	tcase_add_test(tcase, an_idle_descriptor_is_adopted_and_connects);

	tcase = connect_case(suite, "closing");
	tcase_add_test(tcase,
		       a_close_while_idle_and_unregistered_is_told_at_once);
	tcase_add_test(
		tcase,
		a_close_after_connect_but_before_registering_is_told_at_once);
	tcase_add_test(tcase, a_registered_idle_socket_closes_in_a_turn);
	tcase_add_test(tcase, a_close_while_connecting_is_final);
	tcase_add_test(tcase, a_close_made_in_handle_connect_stays);
	tcase_add_test(tcase,
		       close_after_flush_while_connecting_sends_what_is_queued);
	tcase_add_test(tcase, each_of_many_connects_is_told_exactly_once);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
