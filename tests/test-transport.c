/* SPDX-License-Identifier: MIT */
/*
 * The table of a transport (lib/transport.h), with a toy transport that has a
 * handshake, records that may stay in the transport, and a last message. A
 * record is a byte with the length and so many bytes, with all bits inverted. A
 * record of length 0 is the last message.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "recorder.h"
#include "socket_priv.h"
#include "support.h"

#define RECORD_MAX 16
#define ROOM       4096

#define HANDSHAKE_MS 50

static struct toy {
	unsigned char in[ROOM], out[ROOM];
	size_t in_len, out_len;
	unsigned writes;
	bool said_last;
} toy;

static const struct transport transport_toy;

/* ---- the transport ----------------------------------------------------- */

static bool toy_holds_input(const struct lined_socket *sock)
{
	return toy.in_len > 0 && toy.in_len > toy.in[0];
}

static size_t toy_held_output(const struct lined_socket *sock)
{
	return toy.out_len;
}

/* Returns at most one record, so that others are left over. */
static ssize_t toy_recv(struct lined_socket *sock, char *to, size_t size)
{
	size_t len, i;
	ssize_t n;

	if (!toy_holds_input(sock)) {
		n = recv(sock->delegate.fd, toy.in + toy.in_len,
			 ROOM - toy.in_len, 0);
		if (n <= 0)
			return n;
		toy.in_len += (size_t)n;
	}
	if (!toy_holds_input(sock)) {
		errno = EAGAIN;
		return -1;
	}
	len = toy.in[0];
	ck_assert_uint_le(len, size);
	for (i = 0; i < len; i++)
		to[i] = (char)~toy.in[i + 1];
	toy.in_len -= len + 1;
	memmove(toy.in, toy.in + len + 1, toy.in_len);
	return (ssize_t)len;
}

static int toy_write(struct lined_socket *sock)
{
	ssize_t n;

	if (toy.out_len == 0)
		return 0;
	n = send(sock->delegate.fd, toy.out, toy.out_len, MSG_NOSIGNAL);
	if (n < 0)
		return -1;
	toy.writes++;
	toy.out_len -= (size_t)n;
	memmove(toy.out, toy.out + n, toy.out_len);
	return 0;
}

static void toy_encode(const char *data, size_t len)
{
	size_t i;

	toy.out[toy.out_len++] = (unsigned char)len;
	for (i = 0; i < len; i++)
		toy.out[toy.out_len++] = (unsigned char)~data[i];
}

static ssize_t toy_send(struct lined_socket *sock, const struct iovec *vector,
			int count)
{
	size_t taken = 0;
	int i;

	for (i = 0; i < count; i++) {
		const char *data = vector[i].iov_base;
		size_t left = vector[i].iov_len;

		while (left > 0 && toy.out_len + RECORD_MAX + 1 < ROOM) {
			size_t len = left < RECORD_MAX ? left : RECORD_MAX;

			toy_encode(data, len);
			data += len;
			left -= len;
			taken += len;
		}
	}
	if (toy_write(sock) < 0 && (errno != EAGAIN || taken == 0))
		return -1;
	return (ssize_t)taken;
}

static bool toy_end_output(struct lined_socket *sock)
{
	if (toy.said_last)
		return false;
	toy.said_last = true;
	toy_encode("", 0);
	return true;
}

/* The handshake: waits for HI, and answers OK. */
static void toy_greeted(struct lined_socket *sock)
{
	char text[2];
	ssize_t n = recv(sock->delegate.fd, text, 2, MSG_PEEK);

	if (n == 1)
		return;
	if (n != 2 || memcmp(text, "HI", 2) != 0) {
		socket_end(sock, LINED_CLOSE_ERROR, EPROTO);
		return;
	}
	ck_assert_int_eq(recv(sock->delegate.fd, text, 2, 0), 2);
	ck_assert_int_eq(send(sock->delegate.fd, "OK", 2, 0), 2);
	socket_established(sock, &transport_toy);
}

static const struct transport transport_greeting = {
	.delegate = TRANSPORT_DELEGATE,
	TRANSPORT_STREAM_IO,
	.handshake_mode = LINED_MODE_READ,
	.readable = toy_greeted,
	.writable = socket_writable,
	.failed = stream_failed,
};

static const struct transport transport_toy = {
	.delegate = TRANSPORT_DELEGATE,
	TRANSPORT_STREAM_IO,
	.readable = stream_readable,
	.writable = socket_writable,
	.failed = stream_failed,
	.recv = toy_recv,
	.send = toy_send,
	.holds_input = toy_holds_input,
	.held_output = toy_held_output,
	.end_output = toy_end_output,
};

/* ---- the fixture ------------------------------------------------------- */

struct toy_case {
	struct lined_dispatcher *d;
	struct lined_socket *sock;
	struct recorder recorder;
	int peer;
};

static void open_case(struct toy_case *c)
{
	int fds[2], small = 4096;

	memset(c, 0, sizeof(*c));
	memset(&toy, 0, sizeof(toy));
	c->d = support_dispatcher();
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ck_assert_int_eq(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small,
				    sizeof(small)),
			 0);
	c->peer = fds[1];
	c->sock = support_socket(&recorder_handlers, &c->recorder);
	ck_assert_int_eq(lined_socket_wrap(c->sock, fds[0], LINED_SOCKET_IDLE),
			 0);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(c->d, c->sock));
	socket_handshake(c->sock, &transport_greeting, HANDSHAKE_MS);
}

static void greet(struct toy_case *c)
{
	support_puts(c->peer, "HI");
	support_expect(c->d, c->peer, "OK");
	ck_assert(lined_socket_is_connected(c->sock));
}

static void close_case(struct toy_case *c)
{
	lined_dispatcher_free(c->d);
	close(c->peer);
	recorder_fini(&c->recorder);
}

/* Sends the lines in one write, each as a record. */
static void peer_says(struct toy_case *c, const char *const *lines)
{
	char bytes[256];
	size_t len = 0, i;

	for (; *lines != NULL; lines++) {
		bytes[len++] = (char)strlen(*lines);
		for (i = 0; i < strlen(*lines); i++)
			bytes[len++] = (char)~(*lines)[i];
	}
	support_write(c->peer, bytes, len);
}

/* Reads at the peer, and decodes the records. */
static size_t peer_reads(struct toy_case *c, char *text, bool *last)
{
	unsigned char bytes[ROOM];
	ssize_t n = recv(c->peer, bytes, sizeof(bytes), MSG_DONTWAIT);
	size_t at = 0, len = 0, i;

	*last = false;
	while (n > 0 && at < (size_t)n) {
		size_t record = bytes[at++];

		ck_assert(!*last);
		*last = record == 0;
		for (i = 0; i < record; i++)
			text[len++] = (char)~bytes[at++];
	}
	text[len] = '\0';
	return len;
}

/* ---- the cases --------------------------------------------------------- */

START_TEST(protocol_sees_nothing_before_the_handshake_is_over)
{
	struct toy_case c;
	char text[ROOM];
	bool last;

	open_case(&c);
	ck_assert_int_eq(lined_socket_send(c.sock, "early\n", 6), 0);
	support_puts(c.peer, "H");
	support_run_turns(c.d, 3);
	ck_assert(lined_socket_is_connecting(c.sock));
	ck_assert_uint_eq(c.recorder.reads, 0);
	ck_assert_uint_eq(lined_socket_queued(c.sock), 6);
	support_puts(c.peer, "I");
	support_expect(c.d, c.peer, "OK");
	support_run_turns(c.d, 2);
	peer_reads(&c, text, &last);
	ck_assert_str_eq(text, "early\n");
	close_case(&c);
}
END_TEST

START_TEST(failed_handshake_closes_with_its_error)
{
	struct toy_case c;

	open_case(&c);
	support_puts(c.peer, "NO");
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(c.recorder.error, EPROTO);
	ck_assert_uint_eq(c.recorder.reads, 0);
	close_case(&c);
}
END_TEST

START_TEST(handshake_has_its_time_however_the_bytes_come)
{
	struct toy_case c;

	open_case(&c);
	support_puts(c.peer, "H");
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(c.recorder.reason, LINED_CLOSE_TIMEOUT);
	close_case(&c);
}
END_TEST

START_TEST(line_rate_of_a_layered_socket_is_in_its_layers)
{
	static const char *const lines[] = {"one\n", "two\n", NULL};
	struct toy_case c;

	open_case(&c);
	greet(&c);
	ck_assert_ptr_nonnull(socket_layers(c.sock));
	ck_assert_ptr_eq(socket_layers(c.sock), c.sock->layers);
	c.d->group.limits.line_rate = 1;
	c.d->group.limits.line_burst = 1;
	peer_says(&c, lines);
	support_run_until_count(c.d, &c.recorder.lines, 1);
	support_run_turns(c.d, 2);
	ck_assert_uint_eq(c.recorder.lines, 1);
	ck_assert_uint_gt(c.sock->layers->rate.full_us, 0);
	close_case(&c);
}
END_TEST

START_TEST(records_left_in_the_transport_are_served_without_the_kernel)
{
	static const char *const lines[] = {"one\n", "two\nthr", "ee\n", NULL};
	struct toy_case c;

	open_case(&c);
	greet(&c);
	peer_says(&c, lines);
	support_run_until_count(c.d, &c.recorder.lines, 3);
	ck_assert_str_eq(recorder_log(&c.recorder),
			 "<one\\n><two\\n><three\\n>");
	close_case(&c);
}
END_TEST

START_TEST(records_wait_while_the_socket_is_paused)
{
	static const char *const lines[] = {"one\n", "two\n", "three\n", NULL};
	struct toy_case c;

	open_case(&c);
	greet(&c);
	lined_socket_pause(c.sock);
	peer_says(&c, lines);
	support_run_turns(c.d, 3);
	ck_assert_uint_eq(c.recorder.lines, 0);
	lined_socket_resume(c.sock);
	support_run_until_count(c.d, &c.recorder.lines, 1);
	lined_socket_pause(c.sock);
	support_run_turns(c.d, 3);
	ck_assert_uint_eq(c.recorder.lines, 1);
	lined_socket_resume(c.sock);
	support_run_until_count(c.d, &c.recorder.lines, 3);
	close_case(&c);
}
END_TEST

START_TEST(records_of_a_turn_leave_in_one_write)
{
	struct toy_case c;
	char text[ROOM];
	bool last;

	open_case(&c);
	greet(&c);
	toy.writes = 0;
	lined_socket_send(c.sock, "the first line, a long one\n", 27);
	lined_socket_send(c.sock, "the second\n", 11);
	support_run_turns(c.d, 1);
	ck_assert_uint_eq(toy.writes, 1);
	peer_reads(&c, text, &last);
	ck_assert_str_eq(text, "the first line, a long one\nthe second\n");
	close_case(&c);
}
END_TEST

START_TEST(output_that_the_transport_holds_is_written_later)
{
	struct toy_case c;
	char data[3 * ROOM], text[ROOM];
	size_t got = 0;
	char last = 'x';
	ssize_t n;

	open_case(&c);
	greet(&c);
	memset(data, 'x', sizeof(data));
	ck_assert_int_eq(lined_socket_send(c.sock, data, sizeof(data)), 0);
	lined_socket_close_after_flush(c.sock, LINED_CLOSE_LOCAL, 0);
	/* Records may come in parts: count bytes only. */
	while ((n = recv(c.peer, text, 512, MSG_DONTWAIT)) != 0) {
		if (n < 0) {
			support_run_turns(c.d, 1);
			continue;
		}
		got += (size_t)n;
		last = text[n - 1];
	}
	ck_assert_int_eq(last, 0);
	ck_assert_uint_eq(c.recorder.closes, 1);
	ck_assert_uint_eq(got,
			  sizeof(data) / RECORD_MAX * (RECORD_MAX + 1) + 1);
	close_case(&c);
}
END_TEST

START_TEST(closing_says_the_last_message_behind_all_others)
{
	struct toy_case c;
	char text[ROOM];
	bool last;

	open_case(&c);
	greet(&c);
	lined_socket_send(c.sock, "bye\n", 4);
	lined_socket_close_after_flush(c.sock, LINED_CLOSE_LOCAL, 0);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	peer_reads(&c, text, &last);
	ck_assert_str_eq(text, "bye\n");
	ck_assert(last);
	close_case(&c);
}
END_TEST

START_TEST(half_close_says_the_last_message_once)
{
	static const char *const lines[] = {"still\n", NULL};
	struct toy_case c;
	char text[ROOM];
	bool last;

	open_case(&c);
	greet(&c);
	lined_socket_send(c.sock, "bye\n", 4);
	lined_socket_shutdown_write(c.sock);
	support_run_turns(c.d, 5);
	peer_reads(&c, text, &last);
	ck_assert_str_eq(text, "bye\n");
	ck_assert(last);
	support_expect_eof(c.d, c.peer);
	peer_says(&c, lines);
	support_run_until_count(c.d, &c.recorder.lines, 1);
	close_case(&c);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("transport");
	TCase *tcase = support_case(suite, "transport");

	tcase_add_test(tcase,
		       protocol_sees_nothing_before_the_handshake_is_over);
	tcase_add_test(tcase, failed_handshake_closes_with_its_error);
	tcase_add_test(tcase, handshake_has_its_time_however_the_bytes_come);
	tcase_add_test(tcase, line_rate_of_a_layered_socket_is_in_its_layers);
	tcase_add_test(
		tcase,
		records_left_in_the_transport_are_served_without_the_kernel);
	tcase_add_test(tcase, records_wait_while_the_socket_is_paused);
	tcase_add_test(tcase, records_of_a_turn_leave_in_one_write);
	tcase_add_test(tcase, output_that_the_transport_holds_is_written_later);
	tcase_add_test(tcase, closing_says_the_last_message_behind_all_others);
	tcase_add_test(tcase, half_close_says_the_last_message_once);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
