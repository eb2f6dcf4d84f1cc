/* SPDX-License-Identifier: MIT */
/*
 * A TLS server of lib/ against a client of OpenSSL. The fuzzer's input decides
 * how the client's bytes are cut, changed, or mixed with others: in the
 * handshake, between records and within them. Sanitizers check the memory; the
 * fuzzer checks that each side gets what the other has sent, in order, or only
 * the beginning of it. A libFuzzer target only; left out without OpenSSL.
 */
#include "config.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <lined/dispatcher.h>
#include <lined/socket.h>

#include "linetest/certificate.h"
#include "tls.h"

#define SENT_MAX  (256 * 1024)
#define PIECE_MAX 4096

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One direction: the sent bytes, and how many of them have arrived. */
struct way {
	char sent[SENT_MAX];
	size_t len, come;
};

static struct way up, down;
static struct tls_server *server;
static SSL_CTX *client_ctx;
static unsigned results;

static void judge(bool good)
{
	if (!good)
		abort();
}

static bool way_sends(struct way *way, const void *data, size_t len)
{
	if (len > SENT_MAX - way->len)
		return false;
	memcpy(way->sent + way->len, data, len);
	way->len += len;
	return true;
}

static void way_brings(struct way *way, const void *data, size_t len)
{
	judge(len <= way->len - way->come);
	judge(memcmp(way->sent + way->come, data, len) == 0);
	way->come += len;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static struct tls_tickets tickets;
	char dir[] = "/tmp/fuzz-tls.XXXXXX", pem[64], key[64];
	struct tls_settings settings = {.certificate = pem, .key = key};
	struct tls_problem problem;
	struct tls_warnings warnings;
	struct tls_context *context;
	struct tls_files *files;

	(void)argc;
	(void)argv;
	judge(mkdtemp(dir) != NULL && certificate_write(dir) == 0);
	snprintf(pem, sizeof(pem), "%s/tls.pem", dir);
	snprintf(key, sizeof(key), "%s/tls.key", dir);
	files = tls_files_read(&settings, time(NULL), &problem, &warnings);
	judge(files != NULL && tls_tickets_turn(&tickets) == 0);
	unlink(pem);
	unlink(key);
	rmdir(dir);
	context = tls_context_new(files, &tickets);
	server = tls_server_new(&context, 1);
	judge(server != NULL);
	client_ctx = SSL_CTX_new(TLS_client_method());
	return 0;
}

/* ---- the server ---------------------------------------------------------- */

static void fuzz_done(struct lined_socket *sock, enum tls_result result,
		      const char *why)
{
	(void)why;
	judge(results++ == 0);
	if (result == TLS_OK)
		tls_established(sock);
}

static void fuzz_read(struct lined_socket *sock, void *arg)
{
	struct lined_line line;
	enum lined_line_status status;

	(void)arg;
	while ((status = lined_socket_read_line(sock, &line)) ==
		       LINED_LINE_READY ||
	       status == LINED_LINE_TOO_LONG)
		if (status == LINED_LINE_READY) {
			way_brings(&up, line.text, line.len);
			way_brings(&up, line.terminator, line.terminator_len);
		}
}

static void fuzz_closed(struct lined_socket *sock, void *arg,
			enum lined_close_reason reason, int error)
{
	(void)sock;
	(void)reason;
	(void)error;
	*(struct lined_socket **)arg = NULL;
}

static const struct lined_socket_handlers fuzz_handlers = {
	.handle_read = fuzz_read,
	.handle_close = fuzz_closed,
};

/* ---- the client ---------------------------------------------------------- */

struct session {
	struct lined_dispatcher *d;
	struct lined_socket *sock;
	SSL *ssl;
	BIO *in, *out;
	int fd;
};

/* Forwards at most len bytes of the client. Changes the byte at `at`, if that
 * is one of them. */
static void session_forward(struct session *s, size_t len, size_t at,
			    unsigned char change)
{
	unsigned char bytes[PIECE_MAX];
	int n = BIO_read(s->out, bytes,
			 (int)(len < sizeof(bytes) ? len : sizeof(bytes)));

	if (n <= 0)
		return;
	bytes[at % (size_t)n] ^= change;
	(void)!send(s->fd, bytes, (size_t)n, MSG_NOSIGNAL);
}

static void session_turn(struct session *s)
{
	char bytes[PIECE_MAX];
	ssize_t n;
	int got;

	lined_dispatcher_poll(s->d, 0);
	while ((n = recv(s->fd, bytes, sizeof(bytes), 0)) > 0)
		BIO_write(s->in, bytes, (int)n);
	ERR_clear_error();
	if (SSL_do_handshake(s->ssl) == 1)
		while ((got = SSL_read(s->ssl, bytes, sizeof(bytes))) > 0)
			way_brings(&down, bytes, (size_t)got);
	ERR_clear_error();
}

static void session_write(struct session *s, const uint8_t *data, size_t len)
{
	if (len > 0 && SSL_is_init_finished(s->ssl) &&
	    len <= SENT_MAX - up.len && SSL_write(s->ssl, data, (int)len) > 0)
		way_sends(&up, data, len);
}

static void session_answer(struct session *s, size_t len)
{
	char bytes[PIECE_MAX];
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = (char)(down.len + i);
	if (s->sock != NULL && len > 0 && len <= SENT_MAX - down.len &&
	    lined_socket_send(s->sock, bytes, len) == 0)
		way_sends(&down, bytes, len);
}

static void session_act(struct session *s, unsigned what)
{
	if (what == 0)
		SSL_shutdown(s->ssl);
	else if (what == 1)
		shutdown(s->fd, SHUT_WR);
	else if (what == 2)
		SSL_key_update(s->ssl, SSL_KEY_UPDATE_REQUESTED);
	else if (s->sock == NULL)
		return;
	else if (what == 3)
		lined_socket_close(s->sock);
	else if (what == 4)
		lined_socket_close_after_flush(s->sock, LINED_CLOSE_LOCAL, 0);
	else if (what == 5)
		lined_socket_shutdown_write(s->sock);
	else if (what == 6)
		lined_socket_pause(s->sock);
	else if (what == 7)
		lined_socket_resume(s->sock);
}

/* Makes the next step of the input. The first byte has the kind of step in
 * three bits and a number in five; some steps need more bytes. Returns the
 * length. */
static size_t session_step(struct session *s, const uint8_t *data, size_t size)
{
	size_t number = data[0] >> 3, rest = size - 1;
	size_t len = number < rest ? number : rest;

	switch (data[0] & 7) {
	case 0:
		session_write(s, data + 1, len);
		return 1 + len;
	case 1: /* other bytes, between the client's */
		(void)!send(s->fd, data + 1, len, MSG_NOSIGNAL);
		return 1 + len;
	case 2: /* forward, and change a byte */
		session_forward(s, PIECE_MAX, rest > 0 ? data[1] * 7u : 0,
				(unsigned char)(number + 1));
		return 1 + (rest > 0);
	case 3: /* forward some bytes only */
		session_forward(s, number + 1, 0, 0);
		break;
	case 4:
		session_answer(s, number * 100);
		break;
	case 5:
		session_act(s, (unsigned)number);
		break;
	default:
		session_forward(s, PIECE_MAX, 0, 0);
		break;
	}
	session_turn(s);
	return 1;
}

static void session_open(struct session *s, bool old)
{
	int fds[2];

	up.len = up.come = down.len = down.come = 0;
	results = 0;
	s->d = lined_dispatcher_new();
	judge(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			 fds) == 0);
	s->fd = fds[1];
	s->sock = lined_socket_new(&fuzz_handlers, &s->sock);
	judge(lined_socket_wrap(s->sock, fds[0], LINED_SOCKET_CONNECTED) == 0 &&
	      lined_dispatcher_register_socket(s->d, s->sock) != NULL &&
	      tls_accept(s->sock, server, 10000, fuzz_done) == 0);
	s->ssl = SSL_new(client_ctx);
	s->in = BIO_new(BIO_s_mem());
	s->out = BIO_new(BIO_s_mem());
	SSL_set_bio(s->ssl, s->in, s->out);
	if (old)
		SSL_set_max_proto_version(s->ssl, TLS1_2_VERSION);
	SSL_set_connect_state(s->ssl);
	session_turn(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session s;
	size_t at;

	if (size < 2 || size > 1024)
		return 0;
	session_open(&s, data[0] & 1);
	/* Some inputs begin with a handshake that succeeds, to test the stream
	 * after it. */
	for (at = 0; data[0] & 2 && at < 4; at++) {
		session_forward(&s, PIECE_MAX, 0, 0);
		session_turn(&s);
	}
	for (at = 1; at < size;)
		at += session_step(&s, data + at, size - at);
	lined_dispatcher_free(s.d);
	judge(s.sock == NULL && results == 1);
	SSL_free(s.ssl);
	close(s.fd);
	return 0;
}
