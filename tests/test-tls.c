/* SPDX-License-Identifier: MIT */
/*
 * TLS over a stream (the files that lib/tls_priv.h lists) against OpenSSL at
 * the other end of a socket pair, and against the client's side of lib/ itself.
 * The certificates are made here: EC keys, which are quick.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "memory_ceiling.h"
#include "recorder.h"
#include "socket_priv.h"
#include "support.h"
#include "tls.h"

#define DAY 86400

/* ---- certificates -------------------------------------------------------- */

struct identity {
	EVP_PKEY *key;
	X509 *certificate;
	char certificate_path[128], key_path[128];
};

static char directory[64];

static void certificate_extend(X509 *certificate, X509 *issuer, int nid,
			       const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ck_assert_ptr_nonnull(extension);
	ck_assert_int_eq(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

/* names: as subjectAltName ("DNS:a.example"), NULL: a CA. issuer NULL: signed
 * by itself. */
static void identity_make(struct identity *to, const char *cn,
			  const char *names, const struct identity *issuer,
			  int from_days, int to_days)
{
	static long serial = 1;
	X509_NAME *name = X509_NAME_new();
	FILE *file;

	to->key = EVP_EC_gen("P-256");
	to->certificate = X509_new();
	if (issuer == NULL)
		issuer = to;
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
				   (const unsigned char *)cn, -1, -1, 0);
	X509_set_version(to->certificate, 2);
	X509_set_subject_name(to->certificate, name);
	X509_NAME_free(name);
	X509_set_issuer_name(to->certificate,
			     X509_get_subject_name(issuer->certificate));
	ASN1_INTEGER_set(X509_get_serialNumber(to->certificate), serial++);
	X509_gmtime_adj(X509_getm_notBefore(to->certificate),
			(long)from_days * DAY);
	X509_gmtime_adj(X509_getm_notAfter(to->certificate),
			(long)to_days * DAY);
	X509_set_pubkey(to->certificate, to->key);
	certificate_extend(to->certificate, issuer->certificate,
			   NID_basic_constraints,
			   names == NULL ? "critical,CA:TRUE" : "CA:FALSE");
	if (names != NULL && names[0] != '\0')
		certificate_extend(to->certificate, issuer->certificate,
				   NID_subject_alt_name, names);
	ck_assert_int_gt(X509_sign(to->certificate, issuer->key, EVP_sha256()),
			 0);
	snprintf(to->certificate_path, sizeof(to->certificate_path),
		 "%s/%ld.crt", directory, serial);
	snprintf(to->key_path, sizeof(to->key_path), "%s/%ld.key", directory,
		 serial);
	file = fopen(to->certificate_path, "w");
	ck_assert_ptr_nonnull(file);
	PEM_write_X509(file, to->certificate);
	fclose(file);
	file = fopen(to->key_path, "w");
	PEM_write_PrivateKey(file, to->key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
}

static void identity_fini(struct identity *identity)
{
	EVP_PKEY_free(identity->key);
	X509_free(identity->certificate);
	unlink(identity->certificate_path);
	unlink(identity->key_path);
}

/* ---- the fixture --------------------------------------------------------- */

static struct identity ca, server_id, other_id, client_id, stranger_ca;
static struct tls_tickets tickets;

static void identities_make(void)
{
	strcpy(directory, "/tmp/test-tls.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	memset(&tickets, 0, sizeof(tickets));
	ck_assert_int_eq(tls_tickets_turn(&tickets), 0);
	identity_make(&ca, "test CA", NULL, NULL, -1, 100);
	identity_make(&stranger_ca, "strange CA", NULL, NULL, -1, 100);
	identity_make(&server_id, "server", "DNS:a.example,IP:127.0.0.1", &ca,
		      -1, 100);
	identity_make(&other_id, "other", "DNS:*.b.example,DNS:c.example", &ca,
		      -1, 100);
	identity_make(&client_id, "someone", "email:alice@example", &ca, -1,
		      100);
}

static void identities_free(void)
{
	identity_fini(&ca);
	identity_fini(&stranger_ca);
	identity_fini(&server_id);
	identity_fini(&other_id);
	identity_fini(&client_id);
	rmdir(directory);
}

static struct tls_settings settings_of(const struct identity *identity)
{
	return (struct tls_settings){
		.certificate = identity->certificate_path,
		.key = identity->key_path,
	};
}

static struct tls_files *files_read(const struct tls_settings *settings)
{
	struct tls_problem problem;
	struct tls_warnings warnings;
	struct tls_files *files =
		tls_files_read(settings, time(NULL), &problem, &warnings);

	ck_assert_msg(files != NULL, "%s: %s", problem.key, problem.text);
	return files;
}

static struct tls_server *server_make(const struct tls_settings *settings,
				      size_t count)
{
	struct tls_context *contexts[4] = {NULL};
	struct tls_server *server;
	struct tls_files *files;
	size_t i;

	for (i = 0; i < count; i++) {
		files = files_read(&settings[i]);
		contexts[i] = tls_context_new(files, &tickets);
		ck_assert_ptr_nonnull(contexts[i]);
		tls_files_unref(files);
	}
	server = tls_server_new(contexts, count);
	ck_assert_ptr_nonnull(server);
	for (i = 0; i < count; i++)
		tls_context_unref(contexts[i]);
	return server;
}

struct tls_case {
	struct lined_dispatcher *d;
	struct lined_socket *sock;
	struct recorder recorder;
	struct tls_server *server;
	int fd; /* the peer's */
	SSL_CTX *ctx;
	SSL *ssl;
};

/* Each test begins with an empty one. */
static struct tls_case c;

static struct {
	unsigned count;
	enum tls_result result;
	char why[128];
} outcome;

static void note_outcome(struct lined_socket *sock, enum tls_result result,
			 const char *why)
{
	outcome.count++;
	outcome.result = result;
	snprintf(outcome.why, sizeof(outcome.why), "%s", why);
	if (result == TLS_OK)
		tls_established(sock);
}

static void open_with(const struct tls_settings *settings, size_t count)
{
	int fds[2];

	memset(&c, 0, sizeof(c));
	memset(&outcome, 0, sizeof(outcome));
	c.d = support_dispatcher();
	c.server = server_make(settings, count);
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	c.fd = fds[1];
	c.sock = support_socket(&recorder_handlers, &c.recorder);
	ck_assert_int_eq(
		lined_socket_wrap(c.sock, fds[0], LINED_SOCKET_CONNECTED), 0);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(c.d, c.sock));
	c.ctx = SSL_CTX_new(TLS_client_method());
	c.ssl = SSL_new(c.ctx);
	SSL_set_fd(c.ssl, c.fd);
	SSL_set_connect_state(c.ssl);
}

static void case_accept(void)
{
	ck_assert_int_eq(tls_accept(c.sock, c.server, 5000, note_outcome), 0);
}

static void open_case(void)
{
	struct tls_settings settings = settings_of(&server_id);

	open_with(&settings, 1);
	case_accept();
}

static void close_case(void)
{
	if (c.d == NULL)
		return;
	SSL_free(c.ssl);
	SSL_CTX_free(c.ctx);
	lined_dispatcher_free(c.d);
	tls_server_free(c.server);
	close(c.fd);
	recorder_fini(&c.recorder);
	c.d = NULL;
	ERR_clear_error();
}

/* Runs until the peer's handshake has ended; its result. */
static int peer_shakes(void)
{
	int rc, turns;

	for (turns = 0; turns < 1000; turns++) {
		rc = SSL_do_handshake(c.ssl);
		if (rc == 1)
			break;
		if (SSL_get_error(c.ssl, rc) != SSL_ERROR_WANT_READ)
			break;
		support_run_turns(c.d, 1);
	}
	ck_assert_int_lt(turns, 1000);
	support_run_turns(c.d, 3);
	return rc;
}

static void shake(void)
{
	int rc = peer_shakes();

	ck_assert_msg(rc == 1, "%s",
		      ERR_reason_error_string(ERR_peek_last_error()));
	ck_assert_uint_eq(outcome.count, 1);
	ck_assert_int_eq(outcome.result, TLS_OK);
	ck_assert(lined_socket_is_connected(c.sock));
}

static void peer_writes(const char *text)
{
	ck_assert_int_eq(SSL_write(c.ssl, text, (int)strlen(text)),
			 (int)strlen(text));
}

/* Reads this text, in whatever records. */
static void peer_expects(const char *text)
{
	size_t want = strlen(text), got = 0;
	char data[4096];
	int n, turns;

	ck_assert_uint_lt(want, sizeof(data));
	for (turns = 0; got < want && turns < 1000; turns++) {
		n = SSL_read(c.ssl, data + got, (int)(want - got));
		if (n > 0)
			got += (size_t)n;
		else
			support_run_turns(c.d, 1);
	}
	data[got] = '\0';
	ck_assert_str_eq(data, text);
}

/* The end of the stream: what SSL_read() says. */
static int peer_end(void)
{
	char byte;
	int n, error, turns;

	for (turns = 0; turns < 1000; turns++) {
		n = SSL_read(c.ssl, &byte, 1);
		ck_assert_int_le(n, 0);
		error = SSL_get_error(c.ssl, n);
		if (error != SSL_ERROR_WANT_READ)
			return error;
		support_run_turns(c.d, 1);
	}
	ck_abort_msg("no end");
}

/* ---- the handshake ------------------------------------------------------- */

START_TEST(lines_come_and_go_after_the_handshake)
{
	struct lined_tls tls;

	open_case();
	c.recorder.echo = true;
	ck_assert_int_gt(c.d->pool.memory.held, 14 * 1024);
	ck_assert(lined_socket_is_connecting(c.sock));
	ck_assert(!tls_describe(c.sock, &tls));
	shake();
	peer_writes("one\ntwo\nthr");
	peer_expects("one\ntwo\n");
	peer_writes("ee\n");
	peer_expects("three\n");
	ck_assert(tls_describe(c.sock, &tls));
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
	c.recorder.echo = true;
	SSL_set_max_proto_version(c.ssl, versions[_i].version);
	SSL_set_tlsext_host_name(c.ssl, "some.name");
	shake();
	for (i = 0; text[i] != '\0'; i++)
		ck_assert_int_eq(SSL_write(c.ssl, text + i, 1), 1);
	peer_expects(text);
	ck_assert(tls_describe(c.sock, &tls));
	ck_assert_str_eq(tls.version, versions[_i].name);
	ck_assert_str_eq(tls.server_name, "some.name");
}
END_TEST

/* Both sides' bytes one by one, through a memory BIO. */
START_TEST(bytes_may_be_cut_anywhere)
{
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	char byte, text[32];
	unsigned rounds;
	bool said = false;
	int n;

	open_case();
	c.recorder.echo = true;
	SSL_set_bio(c.ssl, in, out);
	for (rounds = 0; rounds < 20000; rounds++) {
		if (!said && SSL_do_handshake(c.ssl) == 1) {
			peer_writes("cut\n");
			said = true;
		}
		if (BIO_read(out, &byte, 1) == 1)
			ck_assert_int_eq(send(c.fd, &byte, 1, 0), 1);
		support_run_turns(c.d, 1);
		if (recv(c.fd, &byte, 1, MSG_DONTWAIT) == 1)
			BIO_write(in, &byte, 1);
		n = said ? SSL_read(c.ssl, text, sizeof(text)) : -1;
		if (n > 0)
			break;
	}
	ck_assert_int_eq(n, 4);
}
END_TEST

/* The client's first line in one piece with the end of its handshake. */
START_TEST(input_behind_the_handshake_is_served)
{
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	char data[8192];
	int n, i;

	open_case();
	SSL_set_bio(c.ssl, in, out);
	for (i = 0; i < 10 && SSL_do_handshake(c.ssl) != 1; i++) {
		n = BIO_read(out, data, sizeof(data));
		if (n > 0)
			support_write(c.fd, data, (size_t)n);
		support_run_turns(c.d, 2);
		n = (int)recv(c.fd, data, sizeof(data), MSG_DONTWAIT);
		if (n > 0)
			BIO_write(in, data, n);
	}
	peer_writes("at once\n");
	n = BIO_read(out, data, sizeof(data));
	support_write(c.fd, data, (size_t)n);
	lined_socket_pause(c.sock);
	support_run_turns(c.d, 3);
	ck_assert_int_eq(outcome.result, TLS_OK);
	ck_assert(!lined_socket_is_quiet(c.sock));
	lined_socket_resume(c.sock);
	support_run_until_count(c.d, &c.recorder.lines, 1);
	ck_assert_str_eq(recorder_log(&c.recorder), "<at once\\n>");
}
END_TEST

/* The same from a client that is gone before our last words to it. */
START_TEST(input_of_a_peer_that_has_gone_is_served)
{
	int i;

	open_case();
	for (i = 0; i < 10 && SSL_do_handshake(c.ssl) != 1; i++)
		support_run_turns(c.d, 1);
	peer_writes("at once\n");
	close(c.fd);
	c.fd = -1;
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_OK);
	ck_assert_str_eq(recorder_log(&c.recorder), "<at once\\n>$#peer");
}
END_TEST

START_TEST(plaintext_is_closed_at_once)
{
	open_case();
	support_puts(c.fd, "h");
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_PLAINTEXT);
	ck_assert_int_eq(c.recorder.reason, LINED_CLOSE_ERROR);
	ck_assert_int_eq(c.recorder.error, EPROTO);
	ck_assert_uint_eq(c.recorder.reads, 0);
	ck_assert_uint_eq(outcome.count, 1);
}
END_TEST

START_TEST(rubbish_is_a_protocol_error)
{
	open_case();
	support_write(c.fd, "\x16\x03\x01\x00\x05hello", 10);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_PROTOCOL);
	ck_assert_str_ne(outcome.why, "");
}
END_TEST

START_TEST(stalled_handshake_ends_at_its_deadline)
{
	struct tls_settings settings = settings_of(&server_id);

	open_with(&settings, 1);
	ck_assert_int_eq(tls_accept(c.sock, c.server, 30, note_outcome), 0);
	support_write(c.fd, "\x16\x03", 2);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_TIMEOUT);
	ck_assert_int_eq(c.recorder.reason, LINED_CLOSE_TIMEOUT);
}
END_TEST

START_TEST(peer_that_leaves_in_the_handshake_is_gone)
{
	open_case();
	SSL_do_handshake(c.ssl);
	support_run_turns(c.d, 2);
	shutdown(c.fd, SHUT_WR);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_GONE);
}
END_TEST

/* A peer that sends this much of its flight (0: the hello, 1: the rest) and is
 * gone. Returns the length of the flight. */
static size_t peer_vanishes(int version, unsigned flight, size_t cut)
{
	struct recorder recorder = {.quiet = true};
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	SSL *ssl = SSL_new(c.ctx);
	unsigned char data[8192];
	unsigned i;
	int fds[2], n = 0;

	memset(&outcome, 0, sizeof(outcome));
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	c.sock = support_socket(&recorder_handlers, &recorder);
	ck_assert_int_eq(
		lined_socket_wrap(c.sock, fds[0], LINED_SOCKET_CONNECTED), 0);
	ck_assert_ptr_nonnull(lined_dispatcher_register_socket(c.d, c.sock));
	case_accept();
	SSL_set_bio(ssl, in, out);
	SSL_set_connect_state(ssl);
	SSL_set_max_proto_version(ssl, version);
	for (i = 0; i <= flight; i++) {
		SSL_do_handshake(ssl);
		n = BIO_read(out, data, sizeof(data));
		ck_assert_int_gt(n, 0);
		support_write(fds[1], data,
			      i == flight && cut < (size_t)n ? cut : (size_t)n);
		support_run_turns(c.d, 1);
		if (i < flight) {
			n = (int)recv(fds[1], data, sizeof(data), 0);
			BIO_write(in, data, n);
		}
	}
	close(fds[1]);
	support_run_until_count(c.d, &recorder.closes, 1);
	support_run_turns(c.d, 1);
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
	lined_socket_close(c.sock);
	for (flight = 0; flight < 2; flight++)
		for (cut = 0, len = 1; cut <= len; cut++) {
			len = peer_vanishes(versions[_i], flight, cut);
			ck_assert_int_eq(outcome.result,
					 flight == 1 && cut == len ? TLS_OK
								   : TLS_GONE);
		}
	ck_assert_uint_eq(lined_dispatcher_len(c.d), 0);
}
END_TEST

/* Others are served between them. */
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
		lined_dispatcher_register_socket(c.d, sock);
		ck_assert_int_eq(tls_accept(sock, c.server, 5000, NULL), 0);
		support_write(fds[i][1], "\x16\x03\x01\x00\x05hello", 10);
	}
	do {
		support_run_turns(c.d, 1);
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
	SSL_set_verify(c.ssl, SSL_VERIFY_PEER, NULL);
	ck_assert_int_ne(peer_shakes(), 1);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_GONE);
}
END_TEST

START_TEST(version_that_is_too_old_is_a_protocol_error)
{
	struct tls_settings settings = settings_of(&server_id);

	settings.tls_1_3 = true;
	open_with(&settings, 1);
	case_accept();
	SSL_set_max_proto_version(c.ssl, TLS1_2_VERSION);
	ck_assert_int_ne(peer_shakes(), 1);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_PROTOCOL);
	ck_assert_str_eq(outcome.why, "unsupported protocol");
}
END_TEST

START_TEST(socket_closed_in_the_handshake_says_so_once)
{
	open_case();
	lined_socket_close(c.sock);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_CLOSED);
	ck_assert_uint_eq(outcome.count, 1);
}
END_TEST

/* ---- the stream ---------------------------------------------------------- */

START_TEST(sends_of_a_turn_are_one_record)
{
	unsigned char data[4096];
	ssize_t n;

	open_case();
	shake();
	while (recv(c.fd, data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	lined_socket_send(c.sock, "one\n", 4);
	lined_socket_send(c.sock, "two\n", 4);
	support_run_turns(c.d, 1);
	n = recv(c.fd, data, sizeof(data), MSG_DONTWAIT);
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
	setsockopt(lined_socket_fd(c.sock), SOL_SOCKET, SO_SNDBUF, &small,
		   sizeof(small));
	memset(data, 'x', size);
	before = c.d->pool.memory.held;
	ck_assert_int_eq(lined_socket_send(c.sock, data, size), 0);
	lined_socket_close_after_flush(c.sock, LINED_CLOSE_LOCAL, 0);
	support_run_turns(c.d, 1);
	/* Records that are held count, which the queue does not have. */
	queued = (int64_t)lined_socket_queued(c.sock);
	ck_assert_int_gt(queued, 500 * 1000);
	ck_assert_int_gt(c.d->pool.memory.held, before + queued + 16 * 1024);
	for (;;) {
		n = SSL_read(c.ssl, room, sizeof(room));
		if (n > 0)
			got += (size_t)n;
		else if (SSL_get_error(c.ssl, n) == SSL_ERROR_WANT_READ)
			support_run_turns(c.d, 1);
		else
			break;
	}
	ck_assert_int_eq(SSL_get_error(c.ssl, n), SSL_ERROR_ZERO_RETURN);
	ck_assert_uint_eq(got, size);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(c.d->pool.memory.held, 0);
	free(data);
}
END_TEST

START_TEST(input_waits_while_the_socket_is_paused)
{
	int i;

	open_case();
	shake();
	lined_socket_pause(c.sock);
	for (i = 0; i < 100; i++)
		peer_writes("a line\n");
	support_run_turns(c.d, 3);
	ck_assert_uint_eq(c.recorder.lines, 0);
	ck_assert(!lined_socket_is_quiet(c.sock));
	lined_socket_resume(c.sock);
	support_run_until_count(c.d, &c.recorder.lines, 100);
}
END_TEST

/* A line longer than a read's room, in full records. */
START_TEST(long_line_arrives_whole)
{
	struct lined_framing framing = LINED_FRAMING_DEFAULT;
	size_t size = 300 * 1000, sent = 0;
	char *data = malloc(size + 1);
	int n;

	open_case();
	framing.line_length = 1000 * 1000;
	lined_socket_set_framing(c.sock, &framing);
	c.recorder.quiet = true;
	shake();
	SSL_set_mode(c.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
				    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	memset(data, 'y', size);
	data[size] = '\n';
	while (sent < size + 1) {
		n = SSL_write(c.ssl, data + sent, (int)(size + 1 - sent));
		if (n > 0)
			sent += (size_t)n;
		else
			support_run_turns(c.d, 1);
	}
	support_run_until_count(c.d, &c.recorder.lines, 1);
	ck_assert_uint_eq(c.sock->bytes_in, size + 1);
	free(data);
}
END_TEST

START_TEST(close_notify_ends_the_stream)
{
	struct lined_framing framing = LINED_FRAMING_DEFAULT;

	framing.unterminated = LINED_UNTERMINATED_DELIVER;
	open_case();
	lined_socket_set_framing(c.sock, &framing);
	c.recorder.echo = true;
	shake();
	peer_writes("last\nrest");
	SSL_shutdown(c.ssl);
	peer_expects("last\nrest");
	ck_assert_int_eq(peer_end(), SSL_ERROR_ZERO_RETURN);
	close(c.fd);
	c.fd = -1;
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(c.recorder.reason, LINED_CLOSE_PEER);
	ck_assert_str_eq(recorder_log(&c.recorder), "<last\\n><rest>$#peer");
	ck_assert_uint_eq(lined_dispatcher_len(c.d), 0);
}
END_TEST

START_TEST(end_without_close_notify_drops_the_rest)
{
	struct lined_framing framing = LINED_FRAMING_DEFAULT;
	struct lined_socket_group group;

	framing.unterminated = LINED_UNTERMINATED_DELIVER;
	memset(&group, 0, sizeof(group));
	open_case();
	lined_socket_set_framing(c.sock, &framing);
	lined_socket_set_group(c.sock, &group);
	shake();
	c.recorder.echo = true;
	peer_writes("last\nrest");
	shutdown(c.fd, SHUT_WR);
	/* Queued output still arrives. */
	peer_expects("last\n");
	ck_assert_int_eq(peer_end(), SSL_ERROR_ZERO_RETURN);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&c.recorder), "<last\\n>$#peer");
	ck_assert_uint_eq(group.counters.tls_truncated, 1);
	ck_assert_uint_eq(group.counters.unterminated, 1);
}
END_TEST

START_TEST(closing_at_once_says_the_end)
{
	open_case();
	shake();
	lined_socket_close(c.sock);
	support_run_turns(c.d, 2);
	ck_assert_int_eq(peer_end(), SSL_ERROR_ZERO_RETURN);
}
END_TEST

START_TEST(half_close_says_the_end_and_reads_on)
{
	open_case();
	shake();
	lined_socket_send(c.sock, "bye\n", 4);
	lined_socket_shutdown_write(c.sock);
	peer_expects("bye\n");
	ck_assert_int_eq(peer_end(), SSL_ERROR_ZERO_RETURN);
	SSL_key_update(c.ssl, SSL_KEY_UPDATE_REQUESTED);
	peer_writes("still\n");
	support_run_until_count(c.d, &c.recorder.lines, 1);
	ck_assert_uint_eq(c.recorder.closes, 0);
}
END_TEST

START_TEST(broken_record_is_an_error_behind_good_lines)
{
	open_case();
	shake();
	peer_writes("good\n");
	support_write(c.fd,
		      "\x17\x03\x03\x00\x20rubbishrubbishrubbishrubbish1234",
		      37);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&c.recorder), "<good\\n>E71#error");
	ck_assert_int_eq(c.recorder.error, EPROTO);
}
END_TEST

static void peer_updates_keys(void)
{
	SSL_key_update(c.ssl, SSL_KEY_UPDATE_REQUESTED);
	ck_assert_int_eq(SSL_do_handshake(c.ssl), 1);
}

START_TEST(key_updates_are_answered_and_bounded)
{
	unsigned i;

	open_case();
	c.recorder.echo = true;
	shake();
	for (i = 0; i < 20; i++)
		peer_updates_keys();
	peer_writes("new keys\n");
	peer_expects("new keys\n");
	for (i = 0; i < 20; i++) {
		peer_updates_keys();
		peer_writes("x\n");
	}
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(c.recorder.error, EPROTO);
	/* Some were within the bound. */
	ck_assert_uint_gt(c.recorder.lines, 5);
	ck_assert_uint_lt(c.recorder.lines, 20);
}
END_TEST

/* Bytes that leave the kernel no room, as if others were on the way. */
static size_t fill_kernel(void)
{
	static const char junk[1024];
	size_t len = 0;
	ssize_t n;

	while ((n = send(lined_socket_fd(c.sock), junk, sizeof(junk),
			 MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	return len;
}

static bool every_socket(const struct lined_socket *sock)
{
	(void)sock;
	return true;
}

/* The queue is empty: all is in records that the kernel has not taken. */
START_TEST(ceiling_closes_a_peer_that_takes_no_records)
{
	struct lined_dispatcher **dispatchers = calloc(1, sizeof(*dispatchers));
	struct memory_ceiling memory = {.may_close = every_socket};
	static const char data[50000];
	uint64_t before;

	open_case();
	dispatchers[0] = c.d;
	memory_init(&memory, dispatchers, 1);
	shake();
	fill_kernel();
	before = memory_held(&memory);
	lined_socket_send(c.sock, data, sizeof(data));
	support_run_turns(c.d, 2);
	ck_assert_uint_eq(lined_socket_queued(c.sock), 0);
	ck_assert_uint_gt(memory_held(&memory), before + sizeof(data));
	memory_set_limit(&memory, before + 10000);
	memory_check(c.d);
	/* The memory is free before the socket is. */
	ck_assert_uint_le(memory_held(&memory), before);
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(c.recorder.reason, LINED_CLOSE_SLOW);
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
	ck_assert_int_lt(SSL_read(c.ssl, room, 1), 0);
	left = fill_kernel();
	peer_updates_keys();
	peer_updates_keys();
	support_run_turns(c.d, 3);
	while (left > 0) {
		n = recv(c.fd, room, left < sizeof(room) ? left : sizeof(room),
			 0);
		ck_assert_int_gt(n, 0);
		left -= (size_t)n;
	}
	support_run_turns(c.d, 3);
	ck_assert_int_gt(recv(c.fd, room, sizeof(room), 0), 0);
}
END_TEST

/* The answers cannot be sent any more; the line behind them counts. */
START_TEST(line_behind_a_key_update_of_a_peer_that_has_gone)
{
	char byte[1];

	open_case();
	shake();
	/* Tickets that are unread would make the end a reset. */
	ck_assert_int_lt(SSL_read(c.ssl, byte, 1), 0);
	/* OpenSSL answers a KeyUpdate when the next record comes. */
	peer_updates_keys();
	peer_updates_keys();
	peer_writes("last\n");
	close(c.fd);
	c.fd = -1;
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_str_eq(recorder_log(&c.recorder), "<last\\n>$#peer");
}
END_TEST

START_TEST(renegotiation_is_refused)
{
	open_case();
	c.recorder.echo = true;
	SSL_set_max_proto_version(c.ssl, TLS1_2_VERSION);
	shake();
	ck_assert_int_eq(SSL_renegotiate(c.ssl), 1);
	ck_assert_int_ne(peer_shakes(), 1);
	ck_assert_uint_eq(c.recorder.lines, 0);
}
END_TEST

/* ---- STARTTLS ------------------------------------------------------------ */

START_TEST(starttls_keeps_the_plain_and_the_secret_apart)
{
	struct tls_settings settings = settings_of(&server_id);
	char text[32];
	ssize_t n;

	open_with(&settings, 1);
	c.recorder.stop_after = 1;
	support_puts(c.fd, "STARTTLS\ninjected\n");
	support_run_until_count(c.d, &c.recorder.lines, 1);
	lined_socket_send(c.sock, "go ahead\n", 9);
	case_accept();
	c.recorder.stop_after = 0;
	lined_socket_send(c.sock, "secret\n", 7);
	support_run_turns(c.d, 2);
	n = recv(c.fd, text, sizeof(text), MSG_DONTWAIT);
	ck_assert_int_eq(n, 9);
	ck_assert_int_eq(memcmp(text, "go ahead\n", 9), 0);
	shake();
	peer_expects("secret\n");
	peer_writes("mine\n");
	support_run_until_count(c.d, &c.recorder.lines, 2);
	ck_assert_str_eq(recorder_log(&c.recorder), "<STARTTLS\\n><mine\\n>");
	support_fails(tls_accept(c.sock, c.server, 0, NULL), EALREADY);
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
	ck_assert_int_eq(lined_socket_send(c.sock, data, size), 0);
	case_accept();
	ck_assert_uint_eq(lined_socket_queued(c.sock), 0);
	while (got < size) {
		n = recv(c.fd, room,
			 size - got < sizeof(room) ? size - got : sizeof(room),
			 MSG_DONTWAIT);
		if (n > 0)
			got += (size_t)n;
		else
			support_run_turns(c.d, 1);
	}
	shake();
	lined_socket_send(c.sock, "then\n", 5);
	peer_expects("then\n");
	free(data);
}
END_TEST

/* ---- certificates -------------------------------------------------------- */

START_TEST(sni_chooses_by_names_and_wildcards)
{
	struct tls_settings settings[2] = {settings_of(&server_id),
					   settings_of(&other_id)};
	X509 *shown;

	settings[1].tls_1_3 = true;
	open_with(settings, 2);
	ck_assert_uint_eq(tls_server_choose(c.server, "a.example"), 0);
	ck_assert_uint_eq(tls_server_choose(c.server, "C.Example"), 1);
	ck_assert_uint_eq(tls_server_choose(c.server, "c.example."), 1);
	ck_assert_uint_eq(tls_server_choose(c.server, "x.B.example"), 1);
	ck_assert_uint_eq(tls_server_choose(c.server, "b.example"), 0);
	ck_assert_uint_eq(tls_server_choose(c.server, ".b.example"), 0);
	ck_assert_uint_eq(tls_server_choose(c.server, "y.x.b.example"), 0);
	ck_assert_uint_eq(tls_server_choose(c.server, "nobody"), 0);
	case_accept();
	SSL_set_tlsext_host_name(c.ssl, "X.b.example");
	shake();
	shown = SSL_get0_peer_certificate(c.ssl);
	ck_assert_int_eq(X509_cmp(shown, other_id.certificate), 0);
	close_case();
	/* All keys of the section hold: its min-version too. */
	open_with(settings, 2);
	case_accept();
	SSL_set_tlsext_host_name(c.ssl, "c.example");
	SSL_set_max_proto_version(c.ssl, TLS1_2_VERSION);
	ck_assert_int_ne(peer_shakes(), 1);
	ck_assert_str_eq(outcome.why, "unsupported protocol");
	close_case();
}
END_TEST

static void use_identity(const struct identity *identity)
{
	SSL_use_certificate(c.ssl, identity->certificate);
	SSL_use_PrivateKey(c.ssl, identity->key);
}

static struct tls_settings settings_with_clients(enum tls_client_cert how)
{
	struct tls_settings settings = settings_of(&server_id);

	settings.client_ca = ca.certificate_path;
	settings.client_cert = how;
	return settings;
}

START_TEST(client_certificate_gives_its_name)
{
	struct tls_settings settings =
		settings_with_clients(TLS_CLIENT_CERT_REQUIRED);
	unsigned char sha256[32];
	struct lined_tls tls;

	open_with(&settings, 1);
	case_accept();
	use_identity(&client_id);
	shake();
	ck_assert(tls_describe(c.sock, &tls));
	ck_assert(tls.verified);
	ck_assert_str_eq(tls.name, "alice@example");
	X509_digest(client_id.certificate, EVP_sha256(), sha256, NULL);
	ck_assert_int_eq(memcmp(sha256, tls.sha256, 32), 0);
}
END_TEST

START_TEST(client_without_a_certificate_is_refused_if_required)
{
	struct tls_settings settings =
		settings_with_clients(TLS_CLIENT_CERT_REQUIRED);

	open_with(&settings, 1);
	case_accept();
	peer_shakes();
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_CERTIFICATE);
	close_case();
	settings.client_cert = TLS_CLIENT_CERT_OPTIONAL;
	open_with(&settings, 1);
	case_accept();
	shake();
	close_case();
}
END_TEST

START_TEST(bad_client_certificate_is_refused_even_if_optional)
{
	struct tls_settings settings =
		settings_with_clients(TLS_CLIENT_CERT_OPTIONAL);
	struct identity bad;

	identity_make(&bad, "bad", "DNS:bad", &stranger_ca, -1, 100);
	open_with(&settings, 1);
	case_accept();
	use_identity(&bad);
	peer_shakes();
	support_run_until_count(c.d, &c.recorder.closes, 1);
	ck_assert_int_eq(outcome.result, TLS_CERTIFICATE);
	ck_assert_str_eq(outcome.why, "certificate verify failed: unable to "
				      "get local issuer certificate");
	identity_fini(&bad);
}
END_TEST

/* One handshake with a session, if there is one; the session of this one. */
static SSL_SESSION *session_after(const struct tls_settings *settings,
				  SSL_SESSION *session, bool *resumed)
{
	open_with(settings, 1);
	c.recorder.echo = true;
	case_accept();
	if (settings->client_ca != NULL)
		use_identity(&client_id);
	if (session != NULL)
		SSL_set_session(c.ssl, session);
	shake();
	peer_writes("x\n");
	peer_expects("x\n"); /* the ticket came before it */
	*resumed = SSL_session_reused(c.ssl);
	session = SSL_get1_session(c.ssl);
	SSL_shutdown(c.ssl);
	close_case();
	return session;
}

START_TEST(sessions_are_resumed_by_other_contexts)
{
	struct tls_settings settings = settings_of(&server_id);
	struct tls_settings strict =
		settings_with_clients(TLS_CLIENT_CERT_REQUIRED);
	SSL_SESSION *first, *next;
	bool resumed;

	first = session_after(&settings, NULL, &resumed);
	ck_assert(!resumed);
	next = session_after(&settings, first, &resumed);
	ck_assert(resumed);
	SSL_SESSION_free(next);
	/* Other clients are let in there: a full handshake. */
	next = session_after(&strict, first, &resumed);
	ck_assert(!resumed);
	SSL_SESSION_free(next);
	SSL_SESSION_free(first);
	/* The key before the one in use is taken, the one before that not. */
	first = session_after(&settings, NULL, &resumed);
	tls_tickets_turn(&tickets);
	next = session_after(&settings, first, &resumed);
	ck_assert(resumed);
	SSL_SESSION_free(next);
	tls_tickets_turn(&tickets);
	tls_tickets_turn(&tickets);
	next = session_after(&settings, first, &resumed);
	ck_assert(!resumed);
	SSL_SESSION_free(next);
	SSL_SESSION_free(first);
}
END_TEST

/* ---- files --------------------------------------------------------------- */

static void expect_problem(const struct tls_settings *settings, const char *key,
			   const char *path, const char *why)
{
	struct tls_problem problem;
	struct tls_warnings warnings;
	char text[512];

	ck_assert_ptr_null(
		tls_files_read(settings, time(NULL), &problem, &warnings));
	snprintf(text, sizeof(text), "%s: %s", path, why);
	ck_assert_str_eq(problem.key, key);
	ck_assert_str_eq(problem.text, text);
}

START_TEST(bad_files_are_named_with_the_reason)
{
	struct tls_settings settings = settings_of(&server_id);
	char locked[128];
	FILE *file;

	settings.key = other_id.key_path;
	expect_problem(&settings, "key", settings.key,
		       "it is not the key of the certificate");
	settings.key = server_id.certificate_path;
	expect_problem(&settings, "key", settings.key,
		       "there is no PEM private key in it");
	settings.certificate = server_id.key_path;
	expect_problem(&settings, "certificate", settings.certificate,
		       "there is no PEM certificate in it");
	settings.certificate = "/nonexistent";
	expect_problem(&settings, "certificate", "/nonexistent",
		       "No such file or directory");
	settings = settings_of(&server_id);
	settings.client_ca = server_id.key_path;
	expect_problem(&settings, "client-ca", settings.client_ca,
		       "there is no PEM certificate in it");
	settings.client_ca = ca.certificate_path;
	settings.crl = ca.certificate_path;
	expect_problem(&settings, "crl", settings.crl,
		       "there is no PEM revocation list in it");
	settings = settings_of(&server_id);
	snprintf(locked, sizeof(locked), "%s/locked.key", directory);
	file = fopen(locked, "w");
	PEM_write_PrivateKey(file, server_id.key, EVP_aes_128_cbc(), NULL, 0,
			     NULL, (void *)(uintptr_t) "pw");
	fclose(file);
	settings.key = locked;
	expect_problem(&settings, "key", locked,
		       "it is encrypted with a passphrase; write it without "
		       "(openssl pkey -in FILE -out NEW)");
	unlink(locked);
}
END_TEST

static void expect_warning(int from_days, int to_days, const char *what)
{
	struct tls_problem problem;
	struct tls_warnings warnings;
	struct tls_settings settings;
	struct identity late;
	char text[512];

	identity_make(&late, "late", "DNS:late", &ca, from_days, to_days);
	settings = settings_of(&late);
	tls_files_unref(
		tls_files_read(&settings, time(NULL), &problem, &warnings));
	if (what == NULL) {
		ck_assert_uint_eq(warnings.count, 0);
	} else {
		time_t at = time(NULL) +
			    (from_days > 0 ? from_days : to_days) * (time_t)DAY;
		char date[16];

		strftime(date, sizeof(date), "%F", gmtime(&at));
		snprintf(text, sizeof(text), "%s: %s %s", late.certificate_path,
			 what, date);
		ck_assert_uint_eq(warnings.count, 1);
		ck_assert_str_eq(warnings.items[0].text, text);
	}
	identity_fini(&late);
}

START_TEST(dates_give_warnings)
{
	expect_warning(-10, -2, "it has expired on");
	expect_warning(-10, 13, "it expires on");
	expect_warning(2, 90, "it is not valid before");
	expect_warning(-1, 90, NULL);
}
END_TEST

START_TEST(files_know_their_names_and_compare)
{
	struct tls_settings settings = settings_of(&server_id);
	struct tls_files *a = files_read(&settings), *b = files_read(&settings);
	const char *const *names;

	ck_assert_uint_eq(tls_files_names(a, &names), 2);
	ck_assert_str_eq(names[0], "a.example");
	ck_assert_str_eq(names[1], "127.0.0.1");
	ck_assert(tls_files_equal(a, b));
	tls_files_unref(b);
	settings = settings_of(&other_id);
	b = files_read(&settings);
	ck_assert(!tls_files_equal(a, b));
	tls_files_unref(a);
	tls_files_unref(b);
}
END_TEST

/* ---- the client's side --------------------------------------------------- */

/* lib/'s client connects to lib/'s server over loopback. */
struct both {
	struct lined_dispatcher *d;
	struct tls_server *server;
	struct lined_socket *listener, *accepted, *client;
	struct recorder at_server, at_client;
	uint16_t port;
	unsigned connects;
};

static void both_accept(struct lined_socket *listener, void *arg)
{
	struct both *both = arg;
	struct lined_socket *sock =
		support_socket(&recorder_handlers, &both->at_server);

	ck_assert_int_eq(lined_socket_accept(listener, sock), 0);
	ck_assert_int_eq(tls_accept(sock, both->server, 5000, NULL), 0);
	both->accepted = sock;
}

static const struct lined_socket_handlers both_listener = {
	.handle_accept = both_accept,
};

static char both_error[128];

static void both_connected(struct lined_socket *sock, void *arg)
{
	struct both *both = arg;

	(void)sock;
	both->connects++;
}

static void both_closed(struct lined_socket *sock, void *arg,
			enum lined_close_reason reason, int error)
{
	struct both *both = arg;

	snprintf(both_error, sizeof(both_error), "%s",
		 lined_socket_tls_error(sock));
	both->at_client.closes++;
	both->at_client.reason = reason;
	both->at_client.error = error;
}

static void both_read(struct lined_socket *sock, void *arg)
{
	struct both *both = arg;
	struct lined_line line;

	while (lined_socket_read_line(sock, &line) == LINED_LINE_READY)
		both->at_client.lines++;
}

static const struct lined_socket_handlers both_client = {
	.handle_connect = both_connected,
	.handle_read = both_read,
	.handle_close = both_closed,
};

static void open_both(struct both *both, const struct tls_settings *settings,
		      const struct lined_tls_client_settings *mine,
		      const char *name)
{
	struct lined_tls_client *client;
	char error[256];

	memset(both, 0, sizeof(*both));
	both_error[0] = '\0';
	both->d = support_dispatcher();
	both->server = server_make(settings, 1);
	both->listener =
		support_listen(both->d, &both_listener, both, &both->port);
	client = lined_tls_client_new(mine, error, sizeof(error));
	ck_assert_msg(client != NULL, "%s", error);
	both->client = support_socket(&both_client, both);
	ck_assert_int_eq(lined_socket_use_tls(both->client, client, name, 0),
			 0);
	lined_tls_client_free(client);
	ck_assert_int_eq(lined_socket_connect(both->client, "127.0.0.1",
					      both->port, 5000),
			 0);
	ck_assert_ptr_nonnull(
		lined_dispatcher_register_socket(both->d, both->client));
}

static void close_both(struct both *both)
{
	lined_dispatcher_free(both->d);
	tls_server_free(both->server);
	recorder_fini(&both->at_server);
}

static void expect_both(const char *name, const char *server_ca,
			const char *error)
{
	struct tls_settings settings = settings_of(&server_id);
	struct lined_tls_client_settings mine = {.ca = server_ca};
	struct both both;

	open_both(&both, &settings, &mine, name);
	if (error == NULL) {
		both.at_server.echo = true;
		ck_assert_int_eq(lined_socket_send(both.client, "hi\n", 3), 0);
		support_run_until_count(both.d, &both.at_client.lines, 1);
		ck_assert_uint_eq(both.connects, 1);
	} else {
		support_run_until_count(both.d, &both.at_client.closes, 1);
		ck_assert_uint_eq(both.connects, 0);
		ck_assert_str_eq(both_error, error);
	}
	close_both(&both);
}

START_TEST(client_verifies_the_name_and_the_ca)
{
	expect_both("a.example", ca.certificate_path, NULL);
	expect_both("127.0.0.1", ca.certificate_path, NULL);
	expect_both("b.example", ca.certificate_path,
		    "certificate verify failed: hostname mismatch");
	expect_both("127.0.0.2", ca.certificate_path,
		    "certificate verify failed: IP address mismatch");
	expect_both("a.example", stranger_ca.certificate_path,
		    "certificate verify failed: unable to get local issuer "
		    "certificate");
}
END_TEST

START_TEST(client_shows_its_certificate)
{
	struct tls_settings settings =
		settings_with_clients(TLS_CLIENT_CERT_REQUIRED);
	struct lined_tls_client_settings mine = {
		.insecure = true,
		.certificate = client_id.certificate_path,
		.key = client_id.key_path,
	};
	struct lined_tls tls;
	struct both both;

	open_both(&both, &settings, &mine, "anything");
	support_run_until_count(both.d, &both.connects, 1);
	lined_socket_send(both.client, "x\n", 2);
	support_run_until_count(both.d, &both.at_server.lines, 1);
	ck_assert(tls_describe(both.accepted, &tls));
	ck_assert_str_eq(tls.name, "alice@example");
	close_both(&both);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("tls");
	TCase *tcase = support_case(suite, "tls");

	tcase_add_checked_fixture(tcase, identities_make, identities_free);
	tcase_add_checked_fixture(tcase, NULL, close_case);
	tcase_add_test(tcase, lines_come_and_go_after_the_handshake);
	tcase_add_loop_test(tcase, records_of_one_byte, 0, 2);
	tcase_add_test(tcase, bytes_may_be_cut_anywhere);
	tcase_add_test(tcase, input_behind_the_handshake_is_served);
	tcase_add_test(tcase, input_of_a_peer_that_has_gone_is_served);
	tcase_add_test(tcase, plaintext_is_closed_at_once);
	tcase_add_test(tcase, rubbish_is_a_protocol_error);
	tcase_add_test(tcase, stalled_handshake_ends_at_its_deadline);
	tcase_add_test(tcase, peer_that_leaves_in_the_handshake_is_gone);
	tcase_add_loop_test(
		tcase, peer_that_vanishes_in_any_state_of_the_handshake_is_gone,
		0, 2);
	tcase_add_test(tcase, crowd_of_handshakes_takes_several_turns);
	tcase_add_test(tcase, peer_that_rejects_the_certificate_is_gone);
	tcase_add_test(tcase, version_that_is_too_old_is_a_protocol_error);
	tcase_add_test(tcase, socket_closed_in_the_handshake_says_so_once);
	tcase_add_test(tcase, sends_of_a_turn_are_one_record);
	tcase_add_test(tcase, long_output_meets_a_slow_reader);
	tcase_add_test(tcase, input_waits_while_the_socket_is_paused);
	tcase_add_test(tcase, long_line_arrives_whole);
	tcase_add_test(tcase, close_notify_ends_the_stream);
	tcase_add_test(tcase, end_without_close_notify_drops_the_rest);
	tcase_add_test(tcase, closing_at_once_says_the_end);
	tcase_add_test(tcase, half_close_says_the_end_and_reads_on);
	tcase_add_test(tcase, broken_record_is_an_error_behind_good_lines);
	tcase_add_test(tcase, key_updates_are_answered_and_bounded);
	tcase_add_test(tcase, ceiling_closes_a_peer_that_takes_no_records);
	tcase_add_test(tcase, answer_to_a_key_update_waits_for_the_kernel);
	tcase_add_test(tcase, line_behind_a_key_update_of_a_peer_that_has_gone);
	tcase_add_test(tcase, renegotiation_is_refused);
	tcase_add_test(tcase, starttls_keeps_the_plain_and_the_secret_apart);
	tcase_add_test(tcase, starttls_sends_a_long_queue_first);
	tcase_add_test(tcase, sni_chooses_by_names_and_wildcards);
	tcase_add_test(tcase, client_certificate_gives_its_name);
	tcase_add_test(tcase,
		       client_without_a_certificate_is_refused_if_required);
	tcase_add_test(tcase,
		       bad_client_certificate_is_refused_even_if_optional);
	tcase_add_test(tcase, sessions_are_resumed_by_other_contexts);
	tcase_add_test(tcase, bad_files_are_named_with_the_reason);
	tcase_add_test(tcase, dates_give_warnings);
	tcase_add_test(tcase, files_know_their_names_and_compare);
	tcase_add_test(tcase, client_verifies_the_name_and_the_ca);
	tcase_add_test(tcase, client_shows_its_certificate);
	return suite;
}

int main(void)
{
	return support_main(make_suite);
}
