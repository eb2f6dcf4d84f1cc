/* SPDX-License-Identifier: MIT */
/*
 * The handshake of TLS as a server (lib/tls_handshake.c): in one piece and in
 * many, and every way in which it can fail.
 */
#include "config.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socket_priv.h"
#include "support.h"
#include "tls_fixture.h"

START_TEST(lines_come_and_go_after_the_handshake)
{
	struct lined_tls tls;

	open_case();
	conn.recorder.echo = true;
	ck_assert_int_gt(conn.d->pool.memory.held, 14 * 1024);
	ck_assert(lined_socket_is_connecting(conn.sock));
	ck_assert(!tls_describe(conn.sock, &tls));
	shake();
	peer_writes("one\ntwo\nthr");
	peer_expects("one\ntwo\n");
	peer_writes("ee\n");
	peer_expects("three\n");
	ck_assert(tls_describe(conn.sock, &tls));
	ck_assert_str_eq(tls.version, "TLSv1.3");
	ck_assert_str_eq(tls.name, "");
	ck_assert_str_eq(tls.server_name, "");
	ck_assert(!tls.verified);
}
END_TEST

START_TEST(records_of_one_byte)
{
	static const struct {
		int version;
		const char *name;
	} versions[] = {
		{TLS1_2_VERSION, "TLSv1.2"},
		{TLS1_3_VERSION, "TLSv1.3"},
	};
	static const char text[] = "hello\nworld\n";
	struct lined_tls tls;
	size_t i;

	open_case();
	conn.recorder.echo = true;
	SSL_set_max_proto_version(conn.ssl, versions[_i].version);
	SSL_set_tlsext_host_name(conn.ssl, "some.name");
	shake();
	for (i = 0; text[i] != '\0'; i++)
		ck_assert_int_eq(SSL_write(conn.ssl, text + i, 1), 1);
	peer_expects(text);
	ck_assert(tls_describe(conn.sock, &tls));
	ck_assert_str_eq(tls.version, versions[_i].name);
	ck_assert_str_eq(tls.server_name, "some.name");
}
END_TEST

/* The bytes of both sides pass one by one through a memory BIO. */
START_TEST(bytes_may_be_cut_anywhere)
{
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	char byte, text[32];
	unsigned rounds;
	bool said = false;
	int n;

	open_case();
	conn.recorder.echo = true;
	SSL_set_bio(conn.ssl, in, out);
	for (rounds = 0; rounds < 20000; rounds++) {
		if (!said && SSL_do_handshake(conn.ssl) == 1) {
			peer_writes("cut\n");
			said = true;
		}
		if (BIO_read(out, &byte, 1) == 1)
			ck_assert_int_eq(send(conn.fd, &byte, 1, 0), 1);
		support_run_turns(conn.d, 1);
		if (recv(conn.fd, &byte, 1, MSG_DONTWAIT) == 1)
			BIO_write(in, &byte, 1);
		n = said ? SSL_read(conn.ssl, text, sizeof(text)) : -1;
		if (n > 0)
			break;
	}
	ck_assert_int_eq(n, 4);
}
END_TEST

/* The client's first line comes in one piece with the end of the handshake. */
START_TEST(input_behind_the_handshake_is_served)
{
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	char data[8192];
	int n, i;

	open_case();
	SSL_set_bio(conn.ssl, in, out);
	for (i = 0; i < 10 && SSL_do_handshake(conn.ssl) != 1; i++) {
		n = BIO_read(out, data, sizeof(data));
		if (n > 0)
			support_write(conn.fd, data, (size_t)n);
		support_run_turns(conn.d, 2);
		n = (int)recv(conn.fd, data, sizeof(data), MSG_DONTWAIT);
		if (n > 0)
			BIO_write(in, data, n);
	}
	peer_writes("at once\n");
	n = BIO_read(out, data, sizeof(data));
	support_write(conn.fd, data, (size_t)n);
	lined_socket_pause(conn.sock);
	support_run_turns(conn.d, 3);
	ck_assert_int_eq(outcome.result, TLS_OK);
	ck_assert(!lined_socket_is_quiet(conn.sock));
	lined_socket_resume(conn.sock);
	support_run_until_count(conn.d, &conn.recorder.lines, 1);
	ck_assert_str_eq(recorder_log(&conn.recorder), "<at once\\n>");
}
END_TEST

/* The same for a client that has gone before the server sends the end of its
 * handshake. */
START_TEST(input_of_a_peer_that_has_gone_is_served)
{
	int i;

	open_case();
	for (i = 0; i < 10 && SSL_do_handshake(conn.ssl) != 1; i++)
		support_run_turns(conn.d, 1);
	peer_writes("at once\n");
	close(conn.fd);
	conn.fd = -1;
	support_run_until_count(conn.d, &conn.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_OK);
	ck_assert_str_eq(recorder_log(&conn.recorder), "<at once\\n>$#peer");
}
END_TEST

START_TEST(plaintext_is_closed_at_once)
{
	open_case();
	support_puts(conn.fd, "h");
	support_run_until_count(conn.d, &conn.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_PLAINTEXT);
	ck_assert_int_eq(conn.recorder.reason, LINED_CLOSE_ERROR);
	ck_assert_int_eq(conn.recorder.error, EPROTO);
	ck_assert_uint_eq(conn.recorder.reads, 0);
	ck_assert_uint_eq(outcome.count, 1);
}
END_TEST

START_TEST(rubbish_is_a_protocol_error)
{
	open_case();
	support_write(conn.fd, "\x16\x03\x01\x00\x05hello", 10);
	support_run_until_count(conn.d, &conn.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_PROTOCOL);
	ck_assert_str_ne(outcome.why, "");
}
END_TEST

START_TEST(stalled_handshake_ends_at_its_deadline)
{
	struct tls_settings settings = settings_of(&server_id);

	open_with(&settings, 1);
	case_accept(30);
	support_write(conn.fd, "\x16\x03", 2);
	support_run_until_count(conn.d, &conn.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_TIMEOUT);
	ck_assert_int_eq(conn.recorder.reason, LINED_CLOSE_TIMEOUT);
}
END_TEST

START_TEST(peer_that_leaves_in_the_handshake_is_gone)
{
	open_case();
	SSL_do_handshake(conn.ssl);
	support_run_turns(conn.d, 2);
	shutdown(conn.fd, SHUT_WR);
	support_run_until_count(conn.d, &conn.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_GONE);
}
END_TEST

/* A peer sends `cut` bytes of its flight (0: the hello, 1: the rest), and
 * closes. Returns the length of the flight. */
static size_t peer_vanishes(int version, unsigned flight, size_t cut)
{
	struct recorder recorder = {.quiet = true};
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	SSL *ssl = SSL_new(conn.ctx);
	unsigned char data[8192];
	unsigned i;
	int fds[2], n = 0;

	memset(&outcome, 0, sizeof(outcome));
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	conn.sock = support_socket(&recorder_handlers, &recorder);
	support_wrap(conn.d, conn.sock, fds[0]);
	case_accept(5000);
	SSL_set_bio(ssl, in, out);
	SSL_set_connect_state(ssl);
	SSL_set_max_proto_version(ssl, version);
	for (i = 0; i <= flight; i++) {
		SSL_do_handshake(ssl);
		n = BIO_read(out, data, sizeof(data));
		ck_assert_int_gt(n, 0);
		support_write(fds[1], data,
			      i == flight && cut < (size_t)n ? cut : (size_t)n);
		support_run_turns(conn.d, 1);
		if (i < flight) {
			n = (int)recv(fds[1], data, sizeof(data), 0);
			BIO_write(in, data, n);
		}
	}
	close(fds[1]);
	support_run_until_count(conn.d, &recorder.closes, 1);
	support_run_turns(conn.d, 1);
	SSL_free(ssl);
	recorder_fini(&recorder);
	ck_assert_uint_eq(outcome.count, 1);
	return (size_t)n;
}

START_TEST(peer_that_vanishes_in_any_state_of_the_handshake_is_gone)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	struct tls_settings settings = settings_of(&server_id);
	size_t cut, len;
	unsigned flight;

	open_with(&settings, 1);
	lined_socket_close(conn.sock);
	for (flight = 0; flight < 2; flight++)
		for (cut = 0, len = 1; cut <= len; cut++) {
			len = peer_vanishes(versions[_i], flight, cut);
			ck_assert_int_eq(outcome.result,
					 flight == 1 && cut == len ? TLS_OK
								   : TLS_GONE);
		}
	ck_assert_uint_eq(lined_dispatcher_len(conn.d), 0);
}
END_TEST

/* A turn handles only some of the handshakes, so that other clients are
 * served. */
START_TEST(crowd_of_handshakes_takes_several_turns)
{
	struct tls_settings settings = settings_of(&server_id);
	struct recorder recorders[40];
	struct lined_socket *sock;
	unsigned i, closed, turns = 0;
	int fds[40][2];

	memset(recorders, 0, sizeof(recorders));
	open_with(&settings, 1);
	for (i = 0; i < 40; i++) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC,
					    0, fds[i]),
				 0);
		sock = support_socket(&recorder_handlers, &recorders[i]);
		lined_socket_wrap(sock, fds[i][0], LINED_SOCKET_CONNECTED);
		lined_dispatcher_register_socket(conn.d, sock);
		ck_assert_int_eq(tls_accept(sock, conn.server, 5000, NULL), 0);
		support_write(fds[i][1], "\x16\x03\x01\x00\x05hello", 10);
	}
	do {
		support_run_turns(conn.d, 1);
		for (i = closed = 0; i < 40; i++)
			closed += recorders[i].closes;
		ck_assert_uint_le(closed, ++turns * 16);
	} while (closed < 40 && turns < 100);
	ck_assert_uint_eq(closed, 40);
	for (i = 0; i < 40; i++) {
		close(fds[i][1]);
		recorder_fini(&recorders[i]);
	}
}
END_TEST

START_TEST(peer_that_rejects_the_certificate_is_gone)
{
	open_case();
	SSL_set_verify(conn.ssl, SSL_VERIFY_PEER, NULL);
	ck_assert_int_ne(peer_shakes(), 1);
	support_run_until_count(conn.d, &conn.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_GONE);
}
END_TEST

START_TEST(version_that_is_too_old_is_a_protocol_error)
{
	struct tls_settings settings = settings_of(&server_id);

	settings.tls_1_3 = true;
	open_with(&settings, 1);
	case_accept(5000);
	SSL_set_max_proto_version(conn.ssl, TLS1_2_VERSION);
	ck_assert_int_ne(peer_shakes(), 1);
	support_run_until_count(conn.d, &conn.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_PROTOCOL);
	ck_assert_str_eq(outcome.why, "unsupported protocol");
}
END_TEST

START_TEST(socket_closed_in_the_handshake_says_so_once)
{
	open_case();
	lined_socket_close(conn.sock);
	support_run_until_count(conn.d, &conn.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_CLOSED);
	ck_assert_uint_eq(outcome.count, 1);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("tls_handshake");
	TCase *handshake = tls_case(suite, "handshake");

	tcase_add_test(handshake, lines_come_and_go_after_the_handshake);
	tcase_add_loop_test(handshake, records_of_one_byte, 0, 2);
	tcase_add_test(handshake, bytes_may_be_cut_anywhere);
	tcase_add_test(handshake, input_behind_the_handshake_is_served);
	tcase_add_test(handshake, input_of_a_peer_that_has_gone_is_served);
	tcase_add_test(handshake, plaintext_is_closed_at_once);
	tcase_add_test(handshake, rubbish_is_a_protocol_error);
	tcase_add_test(handshake, stalled_handshake_ends_at_its_deadline);
	tcase_add_test(handshake, peer_that_leaves_in_the_handshake_is_gone);
	tcase_add_loop_test(
		handshake,
		peer_that_vanishes_in_any_state_of_the_handshake_is_gone, 0, 2);
	tcase_add_test(handshake, crowd_of_handshakes_takes_several_turns);
	tcase_add_test(handshake, peer_that_rejects_the_certificate_is_gone);
	tcase_add_test(handshake, version_that_is_too_old_is_a_protocol_error);
	tcase_add_test(handshake, socket_closed_in_the_handshake_says_so_once);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
