/* SPDX-License-Identifier: MIT */
/*
 * The stream of TLS after the handshake (lib/transport_tls.c): records, the end
 * of the stream, slow readers, key updates; and STARTTLS.
 */
#include "config.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "memory_ceiling.h"
#include "socket_priv.h"
#include "support.h"
#include "tls_fixture.h"

/* ---- the stream ---------------------------------------------------------- */

START_TEST(sends_of_a_turn_are_one_record)
{
	unsigned char data[4096];
	ssize_t n;

	open_case();
	shake();
	while (recv(conn.fd, data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	lined_socket_send(conn.sock, "one\n", 4);
	lined_socket_send(conn.sock, "two\n", 4);
	support_run_turns(conn.d, 1);
	n = recv(conn.fd, data, sizeof(data), MSG_DONTWAIT);
	ck_assert_int_gt(n, 5);
	ck_assert_int_eq(n, (data[3] << 8 | data[4]) + 5);
}
END_TEST

START_TEST(long_output_meets_a_slow_reader)
{
	size_t size = 900 * 1000, got = 0;
	char *data = malloc(size), room[7000];
	int n, small = 4096;
	int64_t before, queued;

	open_case();
	shake();
	setsockopt(lined_socket_fd(conn.sock), SOL_SOCKET, SO_SNDBUF, &small,
		   sizeof(small));
	memset(data, 'x', size);
	before = conn.d->pool.memory.held;
	ck_assert_int_eq(lined_socket_send(conn.sock, data, size), 0);
	lined_socket_close_after_flush(conn.sock, LINED_CLOSE_LOCAL, 0);
	support_run_turns(conn.d, 1);
	/* Records that are not sent yet are charged in addition to the
	 * queue. */
	queued = (int64_t)lined_socket_queued(conn.sock);
	ck_assert_int_gt(queued, 500 * 1000);
	ck_assert_int_gt(conn.d->pool.memory.held, before + queued + 16 * 1024);
	for (;;) {
		n = SSL_read(conn.ssl, room, sizeof(room));
		if (n > 0)
			got += (size_t)n;
		else if (SSL_get_error(conn.ssl, n) == SSL_ERROR_WANT_READ)
			support_run_turns(conn.d, 1);
		else
			break;
	}
	ck_assert_int_eq(SSL_get_error(conn.ssl, n), SSL_ERROR_ZERO_RETURN);
	ck_assert_uint_eq(got, size);
	support_run_until_count(conn.d, &conn.recorder.closes, 1);
	ck_assert_int_eq(conn.d->pool.memory.held, 0);
	free(data);
}
END_TEST

START_TEST(input_waits_while_the_socket_is_paused)
{
	int i;

	open_case();
	shake();
	lined_socket_pause(conn.sock);
	for (i = 0; i < 100; i++)
		peer_writes("a line\n");
	support_run_turns(conn.d, 3);
	ck_assert_uint_eq(conn.recorder.lines, 0);
	ck_assert(!lined_socket_is_quiet(conn.sock));
	lined_socket_resume(conn.sock);
	support_run_until_count(conn.d, &conn.recorder.lines, 100);
}
END_TEST

/* A line in full records that is longer than the room of a read. */
START_TEST(long_line_arrives_whole)
{
	struct lined_framing framing = LINED_FRAMING_DEFAULT;
	size_t size = 300 * 1000, sent = 0;
	char *data = malloc(size + 1);
	int n;

	open_case();
	framing.line_length = 1000 * 1000;
	lined_socket_set_framing(conn.sock, &framing);
	conn.recorder.quiet = true;
	shake();
	SSL_set_mode(conn.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
				       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	memset(data, 'y', size);
	data[size] = '\n';
	while (sent < size + 1) {
		n = SSL_write(conn.ssl, data + sent, (int)(size + 1 - sent));
		if (n > 0)
			sent += (size_t)n;
		else
			support_run_turns(conn.d, 1);
	}
	support_run_until_count(conn.d, &conn.recorder.lines, 1);
	ck_assert_uint_eq(conn.sock->bytes_in, size + 1);
	free(data);
}
END_TEST

START_TEST(close_notify_ends_the_stream)
{
	struct lined_framing framing = LINED_FRAMING_DEFAULT;

	framing.unterminated = LINED_UNTERMINATED_DELIVER;
	open_case();
	lined_socket_set_framing(conn.sock, &framing);
	conn.recorder.echo = true;
	shake();
	peer_writes("last\nrest");
	SSL_shutdown(conn.ssl);
	peer_expects("last\nrest");
	ck_assert_int_eq(peer_end(), SSL_ERROR_ZERO_RETURN);
	close(conn.fd);
	conn.fd = -1;
	support_run_until_count(conn.d, &conn.recorder.closes, 1);
	ck_assert_int_eq(conn.recorder.reason, LINED_CLOSE_PEER);
	ck_assert_str_eq(recorder_log(&conn.recorder), "<last\\n><rest>$#peer");
	ck_assert_uint_eq(lined_dispatcher_len(conn.d), 0);
}
END_TEST

START_TEST(end_without_close_notify_drops_the_rest)
{
	struct lined_framing framing = LINED_FRAMING_DEFAULT;
	struct lined_socket_group group;

	framing.unterminated = LINED_UNTERMINATED_DELIVER;
	memset(&group, 0, sizeof(group));
	open_case();
	lined_socket_set_framing(conn.sock, &framing);
	lined_socket_set_group(conn.sock, &group);
	shake();
	conn.recorder.echo = true;
	peer_writes("last\nrest");
	shutdown(conn.fd, SHUT_WR);
	/* Output that was queued still arrives. */
	peer_expects("last\n");
	ck_assert_int_eq(peer_end(), SSL_ERROR_ZERO_RETURN);
	support_run_until_count(conn.d, &conn.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&conn.recorder), "<last\\n>$#peer");
	ck_assert_uint_eq(group.counters.tls_truncated, 1);
	ck_assert_uint_eq(group.counters.unterminated, 1);
}
END_TEST

START_TEST(closing_at_once_says_the_end)
{
	open_case();
	shake();
	lined_socket_close(conn.sock);
	support_run_turns(conn.d, 2);
	ck_assert_int_eq(peer_end(), SSL_ERROR_ZERO_RETURN);
}
END_TEST

START_TEST(half_close_says_the_end_and_reads_on)
{
	open_case();
	shake();
	lined_socket_send(conn.sock, "bye\n", 4);
	lined_socket_shutdown_write(conn.sock);
	peer_expects("bye\n");
	ck_assert_int_eq(peer_end(), SSL_ERROR_ZERO_RETURN);
	SSL_key_update(conn.ssl, SSL_KEY_UPDATE_REQUESTED);
	peer_writes("still\n");
	support_run_until_count(conn.d, &conn.recorder.lines, 1);
	ck_assert_uint_eq(conn.recorder.closes, 0);
}
END_TEST

START_TEST(broken_record_is_an_error_behind_good_lines)
{
	open_case();
	shake();
	peer_writes("good\n");
	support_write(conn.fd,
		      "\x17\x03\x03\x00\x20rubbishrubbishrubbishrubbish1234",
		      37);
	support_run_until_count(conn.d, &conn.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&conn.recorder), "<good\\n>E71#error");
	ck_assert_int_eq(conn.recorder.error, EPROTO);
}
END_TEST

static void peer_updates_keys(void)
{
	SSL_key_update(conn.ssl, SSL_KEY_UPDATE_REQUESTED);
	ck_assert_int_eq(SSL_do_handshake(conn.ssl), 1);
}

START_TEST(key_updates_are_answered_and_bounded)
{
	unsigned i;

	open_case();
	conn.recorder.echo = true;
	shake();
	for (i = 0; i < 20; i++)
		peer_updates_keys();
	peer_writes("new keys\n");
	peer_expects("new keys\n");
	for (i = 0; i < 20; i++) {
		peer_updates_keys();
		peer_writes("x\n");
	}
	support_run_until_count(conn.d, &conn.recorder.closes, 1);
	ck_assert_int_eq(conn.recorder.error, EPROTO);
	/* The first key updates were within the limit. */
	ck_assert_uint_gt(conn.recorder.lines, 5);
	ck_assert_uint_lt(conn.recorder.lines, 20);
}
END_TEST

/* Fills the kernel's buffer, as if other bytes were under way. */
static size_t fill_kernel(void)
{
	static const char junk[1024];
	size_t len = 0;
	ssize_t n;

	while ((n = send(lined_socket_fd(conn.sock), junk, sizeof(junk),
			 MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	return len;
}

static enum memory_closing every_socket(const struct lined_socket *sock)
{
	return MEMORY_CLOSE;
}

/* The queue is empty: everything is in records that the kernel has not
 * taken. */
START_TEST(ceiling_closes_a_peer_that_takes_no_records)
{
	struct lined_dispatcher **dispatchers = calloc(1, sizeof(*dispatchers));
	struct memory_ceiling memory = {.may_close = every_socket};
	static const char data[50000];
	uint64_t before;

	open_case();
	dispatchers[0] = conn.d;
	memory_init(&memory, dispatchers, 1);
	shake();
	fill_kernel();
	before = memory_held(&memory);
	lined_socket_send(conn.sock, data, sizeof(data));
	support_run_turns(conn.d, 2);
	ck_assert_uint_eq(lined_socket_queued(conn.sock), 0);
	ck_assert_uint_gt(memory_held(&memory), before + sizeof(data));
	memory_set_limit(&memory, before + 10000);
	memory_check(conn.d);
	/* The memory is freed before the socket. */
	ck_assert_uint_le(memory_held(&memory), before);
	support_run_until_count(conn.d, &conn.recorder.closes, 1);
	ck_assert_int_eq(conn.recorder.reason, LINED_CLOSE_SLOW);
	memory_fini(&memory);
}
END_TEST

START_TEST(answer_to_a_key_update_waits_for_the_kernel)
{
	char room[4096];
	size_t left;
	ssize_t n;

	open_case();
	shake();
	ck_assert_int_lt(SSL_read(conn.ssl, room, 1), 0);
	left = fill_kernel();
	peer_updates_keys();
	peer_updates_keys();
	support_run_turns(conn.d, 3);
	while (left > 0) {
		n = recv(conn.fd, room,
			 left < sizeof(room) ? left : sizeof(room), 0);
		ck_assert_int_gt(n, 0);
		left -= (size_t)n;
	}
	support_run_turns(conn.d, 3);
	ck_assert_int_gt(recv(conn.fd, room, sizeof(room), 0), 0);
}
END_TEST

/* The answers to the key updates cannot be sent any more, but the following
 * line is served. */
START_TEST(line_behind_a_key_update_of_a_peer_that_has_gone)
{
	char byte[1];

	open_case();
	shake();
	/* Read the tickets first: unread tickets would turn the close into a
	 * reset. */
	ck_assert_int_lt(SSL_read(conn.ssl, byte, 1), 0);
	/* OpenSSL answers a KeyUpdate when the next record comes. */
	peer_updates_keys();
	peer_updates_keys();
	peer_writes("last\n");
	close(conn.fd);
	conn.fd = -1;
	support_run_until_count(conn.d, &conn.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&conn.recorder), "<last\\n>$#peer");
}
END_TEST

START_TEST(renegotiation_is_refused)
{
	open_case();
	conn.recorder.echo = true;
	SSL_set_max_proto_version(conn.ssl, TLS1_2_VERSION);
	shake();
	ck_assert_int_eq(SSL_renegotiate(conn.ssl), 1);
	ck_assert_int_ne(peer_shakes(), 1);
	ck_assert_uint_eq(conn.recorder.lines, 0);
}
END_TEST

/* ---- STARTTLS ------------------------------------------------------------ */

START_TEST(starttls_keeps_the_plain_and_the_secret_apart)
{
	struct tls_settings settings = settings_of(&server_id);
	char text[32];
	ssize_t n;

	open_with(&settings, 1);
	conn.recorder.stop_after = 1;
	support_puts(conn.fd, "STARTTLS\ninjected\n");
	support_run_until_count(conn.d, &conn.recorder.lines, 1);
	lined_socket_send(conn.sock, "go ahead\n", 9);
	case_accept(5000);
	conn.recorder.stop_after = 0;
	lined_socket_send(conn.sock, "secret\n", 7);
	support_run_turns(conn.d, 2);
	n = recv(conn.fd, text, sizeof(text), MSG_DONTWAIT);
	ck_assert_int_eq(n, 9);
	ck_assert_int_eq(memcmp(text, "go ahead\n", 9), 0);
	shake();
	peer_expects("secret\n");
	peer_writes("mine\n");
	support_run_until_count(conn.d, &conn.recorder.lines, 2);
	ck_assert_str_eq(recorder_log(&conn.recorder),
			 "<STARTTLS\\n><mine\\n>");
	support_fails(tls_accept(conn.sock, conn.server, 0, NULL), EALREADY);
}
END_TEST

START_TEST(starttls_sends_a_long_queue_first)
{
	struct tls_settings settings = settings_of(&server_id);
	size_t size = 700 * 1000, got = 0;
	char *data = malloc(size), room[9000];
	ssize_t n;

	memset(data, 'p', size);
	open_with(&settings, 1);
	ck_assert_int_eq(lined_socket_send(conn.sock, data, size), 0);
	case_accept(5000);
	ck_assert_uint_eq(lined_socket_queued(conn.sock), 0);
	while (got < size) {
		n = recv(conn.fd, room,
			 size - got < sizeof(room) ? size - got : sizeof(room),
			 MSG_DONTWAIT);
		if (n > 0)
			got += (size_t)n;
		else
			support_run_turns(conn.d, 1);
	}
	shake();
	lined_socket_send(conn.sock, "then\n", 5);
	peer_expects("then\n");
	free(data);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("tls_stream");
	TCase *stream = tls_case(suite, "stream");

	tcase_add_test(stream, sends_of_a_turn_are_one_record);
	tcase_add_test(stream, long_output_meets_a_slow_reader);
	tcase_add_test(stream, input_waits_while_the_socket_is_paused);
	tcase_add_test(stream, long_line_arrives_whole);
	tcase_add_test(stream, close_notify_ends_the_stream);
	tcase_add_test(stream, end_without_close_notify_drops_the_rest);
	tcase_add_test(stream, closing_at_once_says_the_end);
	tcase_add_test(stream, half_close_says_the_end_and_reads_on);
	tcase_add_test(stream, broken_record_is_an_error_behind_good_lines);
	tcase_add_test(stream, key_updates_are_answered_and_bounded);
	tcase_add_test(stream, ceiling_closes_a_peer_that_takes_no_records);
	tcase_add_test(stream, answer_to_a_key_update_waits_for_the_kernel);
	tcase_add_test(stream,
		       line_behind_a_key_update_of_a_peer_that_has_gone);
	tcase_add_test(stream, renegotiation_is_refused);
	tcase_add_test(stream, starttls_keeps_the_plain_and_the_secret_apart);
	tcase_add_test(stream, starttls_sends_a_long_queue_first);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
