/* SPDX-License-Identifier: MIT */
/*
 * Sending: order and ownership of queued bytes, errors of a flush, and the
 * stall deadline. test-send-overflow tests full queues, test-close tests how a
 * closing socket flushes.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream_fixture.h"
#include "support.h"

/* ---- order and ownership ---------------------------------------------- */

START_TEST(all_kinds_of_sends_keep_their_order)
{
	struct lined_buffer *buffer = lined_buffer_new("0123456789", 10);
	const struct lined_line line = {"line", 4, "\r\n", 2, false, false};
	const struct iovec pieces[] = {{(void *)(uintptr_t) "pie", 3},
				       {NULL, 0},
				       {(void *)(uintptr_t) "ces;", 4}};
	struct lined_socket *alone;

	stream_open_small(0);
	ck_assert_int_eq(lined_socket_send(stream.sock, "one;", 4), 0);
	ck_assert_int_eq(lined_socket_send_shared(stream.sock, buffer, 2, 3),
			 0);
	ck_assert_int_eq(lined_socket_send_shared(stream.sock, buffer, 5, 5),
			 0);
	ck_assert_int_eq(lined_socket_sendv(stream.sock, pieces, 3), 0);
	ck_assert_int_eq(lined_socket_send(stream.sock, "", 0), 0);
	ck_assert_int_eq(lined_socket_send_line(stream.sock, &line), 0);
	ck_assert_int_eq(lined_socket_send_shared(stream.sock, buffer, 0, 1),
			 0);
	ck_assert_uint_eq(lined_socket_queued(stream.sock), 4 + 8 + 7 + 6 + 1);
	ck_assert_uint_eq(lined_socket_room(stream.sock), SIZE_MAX);
	alone = lined_socket_new(NULL, NULL);
	ck_assert_uint_eq(lined_socket_room(alone), SIZE_MAX);
	lined_socket_close(alone);
	stream.group.limits.send_queue = 100;
	ck_assert_uint_eq(lined_socket_room(stream.sock), 100 - 26);
	stream.group.limits.send_queue = 20; /* a reload may do this */
	ck_assert_uint_eq(lined_socket_room(stream.sock), 0);
	stream.group.limits.send_queue = 0;
	ck_assert(lined_socket_is_send_data_buffered(stream.sock));
	support_expect(stream.d, stream.peer, "one;23456789pieces;line\r\n0");
	ck_assert(!lined_socket_is_send_data_buffered(stream.sock));
	ck_assert_uint_eq(stream.group.counters.bytes_out, 26);
	lined_buffer_unref(buffer);
}
END_TEST

START_TEST(sent_bytes_are_copied)
{
	char bytes[] = "before";

	stream_open_small(0);
	ck_assert_int_eq(lined_socket_send(stream.sock, bytes, 6), 0);
	memcpy(bytes, "after!", 6);
	support_expect(stream.d, stream.peer, "before");
}
END_TEST

START_TEST(a_formatted_text_is_one_send_of_any_length)
{
	char longer[3000], *want = malloc(8 * sizeof(longer));

	ck_assert_ptr_nonnull(want);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	stream_open_small(0);
	ck_assert_int_eq(lined_socket_printf(stream.sock, "%s %d;", "one", 1),
			 0);
	ck_assert_int_eq(lined_socket_printf(stream.sock, "%s", ""), 0);
	/* The lengths are around the size of printf's buffer. */
	ck_assert_int_eq(lined_socket_printf(stream.sock, "%.1023s;", longer),
			 0);
	ck_assert_int_eq(lined_socket_printf(stream.sock, "%.1022s;", longer),
			 0);
	ck_assert_int_eq(
		lined_socket_printf(stream.sock, "%s,%s", longer, "end"), 0);
	ck_assert_uint_eq(stream.group.counters.sends, 4);
	sprintf(want, "one 1;%.1023s;%.1022s;%s,end", longer, longer, longer);
	support_expect(stream.d, stream.peer, want);
	lined_socket_close(stream.sock);
	support_fails(lined_socket_printf(stream.sock, "late"), EPIPE);
	free(want);
}
END_TEST

/* Such a length is the result of a subtraction below zero. */
START_TEST(size_that_no_send_has_is_refused)
{
	static char byte;
	const struct iovec pieces[] = {{&byte, SIZE_MAX - 10}, {&byte, 20}};

	for (uint32_t limit = 0; limit <= 1000; limit += 1000) {
		stream_open_small(limit);
		lined_socket_set_overflow(stream.sock,
					  LINED_OVERFLOW_DROP_NEWEST);
		ck_assert_int_eq(lined_socket_send(stream.sock, "kept", 4), 0);
		support_fails(lined_socket_sendv(stream.sock, pieces, 2),
			      EMSGSIZE);
		ck_assert_int_eq(
			lined_socket_send(stream.sock, &byte, SIZE_MAX - 2),
			-1);
		ck_assert_int_eq(errno, limit > 0 ? ENOBUFS : EMSGSIZE);
		support_expect(stream.d, stream.peer, "kept");
		stream_close();
	}
}
END_TEST

START_TEST(part_outside_of_a_buffer_is_refused)
{
	struct lined_buffer *buffer = lined_buffer_new("abc", 3);

	stream_open_small(0);
	support_fails(lined_socket_send_shared(stream.sock, buffer, 4, 0),
		      EINVAL);
	ck_assert_int_eq(lined_socket_send_shared(stream.sock, buffer, 1, 3),
			 -1);
	ck_assert_int_eq(
		lined_socket_send_shared(stream.sock, buffer, 2, (size_t)-1),
		-1);
	ck_assert_uint_eq(lined_socket_queued(stream.sock), 0);
	lined_buffer_unref(buffer);
}
END_TEST

static void count_release(void *arg)
{
	(*(unsigned *)arg)++;
}

START_TEST(shared_buffer_is_released_when_the_last_has_sent)
{
	unsigned released = 0;
	struct lined_buffer *buffer =
		lined_buffer_wrap("shared\n", 7, count_release, &released);
	struct lined_dispatcher *d[3];
	int peers[3];

	for (int i = 0; i < 3; i++) {
		d[i] = support_dispatcher();
		ck_assert_int_eq(
			lined_socket_send_shared(
				support_pair(d[i], NULL, NULL, &peers[i]),
				buffer, 0, 7),
			0);
	}
	lined_buffer_unref(buffer);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(released, 0);
		support_expect(d[i], peers[i], "shared\n");
	}
	ck_assert_uint_eq(released, 1);
	for (int i = 0; i < 3; i++) {
		lined_dispatcher_free(d[i]);
		close(peers[i]);
	}
	ck_assert_uint_eq(released, 1);
}
END_TEST

START_TEST(shared_buffer_is_released_by_a_close)
{
	static char bytes[1 << 20];
	unsigned released = 0;
	struct lined_buffer *buffer = lined_buffer_wrap(
		bytes, sizeof(bytes), count_release, &released);

	stream_open_small(0);
	ck_assert_int_eq(
		lined_socket_send_shared(stream.sock, buffer, 0, sizeof(bytes)),
		0);
	lined_buffer_unref(buffer);
	support_run_turns(stream.d, 3); /* one part is sent */
	ck_assert_uint_gt(lined_socket_queued(stream.sock), 0);
	ck_assert_uint_lt(lined_socket_queued(stream.sock), sizeof(bytes));
	ck_assert_uint_eq(released, 0);
	lined_socket_close(stream.sock);
	support_run_until_count(stream.d, &stream.recorder.closes, 1);
	ck_assert_uint_eq(released, 1);
}
END_TEST

/* A SEQPACKET peer shows where one write ended and the next began. */
START_TEST(what_a_turn_sends_leaves_in_one_write)
{
	struct recorder recorder = {0};
	struct lined_dispatcher *d = support_dispatcher();
	struct lined_socket *sock =
		support_socket(&recorder_handlers, &recorder);
	char got[512];
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	support_wrap(d, sock, fds[0]);
	recorder.echo = true;
	support_puts(fds[1], "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n");
	support_run_turns(d, 1);
	ck_assert_int_eq(recv(fds[1], got, sizeof(got), MSG_DONTWAIT), 21);
	for (int i = 0; i < 40; i++)
		ck_assert_int_eq(lined_socket_send(sock, "0123456789", 10), 0);
	support_run_turns(d, 1);
	ck_assert_int_eq(recv(fds[1], got, sizeof(got), MSG_DONTWAIT), 400);
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
	close(fds[1]);
}
END_TEST

START_TEST(sent_before_connected_is_kept)
{
	struct recorder recorder = {0};
	struct lined_dispatcher *d = support_dispatcher();
	struct lined_socket *sock =
		support_socket(&recorder_handlers, &recorder);
	uint16_t port;
	int listener = support_listen_fd(1, &port), peer;

	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(d, sock));
	ck_assert_int_eq(lined_socket_connect(sock, "127.0.0.1", port, 0), 0);
	ck_assert_int_eq(lined_socket_send(sock, "early ", 6), 0);
	ck_assert_int_eq(lined_socket_send(sock, "bird\n", 5), 0);
	ck_assert(!lined_socket_is_writeable(sock));
	support_run_turns(d, 3);
	peer = accept(listener, NULL, NULL);
	ck_assert_int_ge(peer, 0);
	support_expect(d, peer, "early bird\n");
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
	close(peer);
	close(listener);
}
END_TEST

/* ---- the end ----------------------------------------------------------- */

START_TEST(flush_error_closes_with_its_errno)
{
	struct recorder recorder = {0};
	struct lined_dispatcher *d = support_dispatcher();
	struct lined_socket *sock;
	int peer;

	sock = support_pair(d, &recorder_handlers, &recorder, &peer);
	lined_socket_pause(sock);
	support_run_turns(d, 1);
	support_reset(peer);
	ck_assert_int_eq(lined_socket_send(sock, "lost\n", 5), 0);
	support_run_until_count(d, &recorder.closes, 1);
	ck_assert_int_eq(recorder.reason, LINED_CLOSE_ERROR);
	ck_assert(recorder.error == ECONNRESET || recorder.error == EPIPE);
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
}
END_TEST

/* All lines of a client that closes without reading are served, even if the
 * answer to its first line fails. */
START_TEST(lines_before_a_failed_send_are_served)
{
	struct lined_dispatcher *d = support_dispatcher();
	struct recorder recorder = {.quiet = true, .echo = true};
	struct lined_socket_group group = {.limits.send_queue =
						   LINED_SEND_QUEUE_DEFAULT};
	struct lined_socket *sock;
	char text[8192];
	size_t bytes = 0;
	ssize_t n = 0;
	int fds[2];

	for (size_t i = 0; i < sizeof(text); i += 8)
		memcpy(text + i, "0123456\n", 8);

	if (_i == 0)
		support_tcp_fds(fds);
	else
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	sock = support_socket(&recorder_handlers, &recorder);
	lined_socket_set_group(sock, &group);
	support_wrap(d, sock, fds[0]);
	while (n >= 0 && bytes < 60000) {
		n = send(fds[1], text + bytes % 8, sizeof(text) - bytes % 8,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		bytes += n > 0 ? (size_t)n : 0;
	}
	/* Some lines have been read and answered. */
	if (_i == 0)
		support_run_turns(d, 1);
	close(fds[1]);
	support_run_until_count(d, &recorder.closes, 1);
	ck_assert_uint_eq(recorder.lines, bytes / 8);
	ck_assert_int_eq(recorder.reason, LINED_CLOSE_ERROR);
	ck_assert(recorder.error == ECONNRESET || recorder.error == EPIPE);
	ck_assert_uint_eq(group.counters.queued, 0);
	lined_dispatcher_free(d);
	recorder_fini(&recorder);
}
END_TEST

START_TEST(closed_socket_takes_no_sends)
{
	struct lined_buffer *buffer = lined_buffer_new("x", 1);

	stream_open_small(0);
	lined_socket_close(stream.sock);
	support_fails(lined_socket_send(stream.sock, "x", 1), EPIPE);
	support_fails(lined_socket_send_shared(stream.sock, buffer, 0, 1),
		      EPIPE);
	lined_buffer_unref(buffer);
}
END_TEST

START_TEST(ended_write_side_takes_no_sends)
{
	stream_open_small(0);
	ck_assert_int_eq(lined_socket_send(stream.sock, "last\n", 5), 0);
	lined_socket_shutdown_write(stream.sock);
	support_fails(lined_socket_send(stream.sock, "x", 1), EPIPE);
	support_expect(stream.d, stream.peer, "last\n");
	support_expect_eof(stream.d, stream.peer);
	support_puts(stream.peer, "still read\n");
	support_run_until_count(stream.d, &stream.recorder.lines, 1);
}
END_TEST

struct mourner {
	struct lined_socket *other;
	unsigned closes;
};

static void mourner_close(struct lined_socket *sock, void *arg,
			  enum lined_close_reason reason, int error)
{
	struct mourner *m = arg;

	m->closes++;
	support_fails(lined_socket_send(sock, "x", 1), EPIPE);
	ck_assert_int_eq(lined_socket_send(m->other, "gone\n", 5), 0);
}

START_TEST(sends_in_handle_close_reach_the_others)
{
	static const struct lined_socket_handlers handlers = {
		.handle_close = mourner_close,
	};
	struct mourner m = {.closes = 0};
	struct lined_socket *sock;
	int peer;

	stream_open_small(0);
	m.other = stream.sock;
	sock = support_pair(stream.d, &handlers, &m, &peer);
	lined_socket_close(sock);
	support_run_turns(stream.d, 1);
	ck_assert_uint_eq(m.closes, 1);
	/* The answer was flushed in the same turn. */
	support_expect(NULL, stream.peer, "gone\n");
	close(peer);
}
END_TEST

START_TEST(stalled_queue_closes_a_slow_reader)
{
	static char bytes[1 << 20];

	stream_open_small(2 << 20);
	stream.group.limits.send_stall_ms = 80;
	lined_socket_limits_changed(stream.sock);
	ck_assert_int_eq(lined_socket_send(stream.sock, bytes, sizeof(bytes)),
			 0);
	support_run_until_count(stream.d, &stream.recorder.closes, 1);
	ck_assert_int_eq(stream.recorder.reason, LINED_CLOSE_SLOW);
}
END_TEST

/* A reader that takes a little now and then does not stall. */
START_TEST(slow_progress_is_no_stall)
{
	static char bytes[4 << 20], sink[65536];
	uint64_t start_ms;
	size_t got = 0;
	ssize_t n;

	stream_open_small(sizeof(bytes));
	stream.group.limits.send_stall_ms = 400;
	lined_socket_limits_changed(stream.sock);
	ck_assert_int_eq(lined_socket_send(stream.sock, bytes, sizeof(bytes)),
			 0);
	start_ms = support_now_ms();
	while (support_now_ms() - start_ms < 1000) {
		n = recv(stream.peer, sink, sizeof(sink), MSG_DONTWAIT);
		got += n > 0 ? (size_t)n : 0;
		support_run_for(stream.d, 20);
	}
	ck_assert_uint_eq(stream.recorder.closes, 0);
	ck_assert_uint_gt(got, 0);
	ck_assert_uint_lt(got, sizeof(bytes));
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("send");
	TCase *order = stream_case(suite, "order");
	TCase *ends = stream_case(suite, "ends");

	tcase_add_test(order, all_kinds_of_sends_keep_their_order);
	tcase_add_test(order, sent_bytes_are_copied);
	tcase_add_test(order, a_formatted_text_is_one_send_of_any_length);
	tcase_add_test(order, size_that_no_send_has_is_refused);
	tcase_add_test(order, part_outside_of_a_buffer_is_refused);
	tcase_add_test(order, shared_buffer_is_released_when_the_last_has_sent);
	tcase_add_test(order, shared_buffer_is_released_by_a_close);
	tcase_add_test(order, what_a_turn_sends_leaves_in_one_write);
	tcase_add_test(order, sent_before_connected_is_kept);
	tcase_add_test(ends, flush_error_closes_with_its_errno);
	tcase_add_loop_test(ends, lines_before_a_failed_send_are_served, 0, 2);
	tcase_add_test(ends, closed_socket_takes_no_sends);
	tcase_add_test(ends, ended_write_side_takes_no_sends);
	tcase_add_test(ends, sends_in_handle_close_reach_the_others);
	tcase_add_test(ends, stalled_queue_closes_a_slow_reader);
	tcase_add_test(ends, slow_progress_is_no_stall);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
