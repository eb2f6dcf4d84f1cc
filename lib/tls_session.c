/* SPDX-License-Identifier: MIT */
/*
 * Moves the bytes of a TLS session between OpenSSL and the descriptor, and
 * keeps bytes that wait.
 */
#include "config.h"

#include "tls_session.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fail.h"

/* Spare room that is added when the output grows. */
#define OUT_SPARE (64 * 1024)

/* The most messages besides data that the peer may cause in MESSAGES_MS. One
 * such message in gigabytes is normal. */
#define MESSAGES_MAX 32
#define MESSAGES_MS  60000

/* ---- the BIO ------------------------------------------------------------- */

static int tls_bio_read(BIO *bio, char *to, int size)
{
	struct tls_io *io = BIO_get_data(bio);
	size_t n = (size_t)size;

	BIO_clear_retry_flags(bio);
	if (io->in_len == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if (n > io->in_len)
		n = io->in_len;
	memcpy(to, io->in, n);
	io->in += n;
	io->in_len -= n;
	return (int)n;
}

static int tls_bio_write(BIO *bio, const char *data, int size)
{
	struct tls_io *io = BIO_get_data(bio);
	size_t need = io->out_len + (size_t)size;
	unsigned char *out;

	BIO_clear_retry_flags(bio);
	if (need > io->out_room) {
		out = realloc(io->out, need + OUT_SPARE);
		if (out == NULL)
			return -1;
		io->out = out;
		io->out_room = need + OUT_SPARE;
	}
	memcpy(io->out + io->out_len, data, (size_t)size);
	io->out_len = need;
	return size;
}

static long tls_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	return command == BIO_CTRL_FLUSH;
}

static void tls_io_free(void *memory)
{
	struct tls_io *io = memory;

	BIO_free(io->bio);
	BIO_meth_free(io->method);
	free(io->out);
	OPENSSL_cleanse(io->plain, sizeof(io->plain));
	free(io);
}

static struct tls_io *tls_io_new(void)
{
	struct tls_io *io = calloc(1, sizeof(*io));

	if (io == NULL)
		return NULL;
	io->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
				  "dispatcher");
	if (io->method != NULL) {
		BIO_meth_set_read(io->method, tls_bio_read);
		BIO_meth_set_write(io->method, tls_bio_write);
		BIO_meth_set_ctrl(io->method, tls_bio_ctrl);
		io->bio = BIO_new(io->method);
	}
	if (io->bio == NULL) {
		tls_io_free(io);
		return fail_null(ENOMEM);
	}
	BIO_set_data(io->bio, io);
	BIO_set_init(io->bio, 1);
	return io;
}

/* ---- bytes that wait ---------------------------------------------------- */

static void tls_rest_clear(struct tls_rest *rest)
{
	free(rest->data);
	*rest = (struct tls_rest){NULL, 0, 0};
}

int tls_rest_append(struct tls_rest *rest, const void *data, size_t len)
{
	unsigned char *grown;

	if (len == 0)
		return 0;
	grown = realloc(rest->data, rest->len + len);
	if (grown == NULL)
		return -1;
	memcpy(grown + rest->len, data, len);
	rest->data = grown;
	rest->len += len;
	return 0;
}

static void tls_rest_advance(struct tls_rest *rest, size_t n)
{
	rest->off += n;
	if (rest->off == rest->len)
		tls_rest_clear(rest);
}

/* ---- making and ending --------------------------------------------------- */

/* Charges the session's present memory to the dispatcher. */
static void tls_session_charge(struct lined_socket *sock,
			       struct tls_session *tls)
{
	size_t bytes = MEMORY_TLS + tls->held.len + tls->left.len;

	memory_charge(&sock->dispatcher->pool.memory,
		      (int64_t)bytes - (int64_t)tls->charged);
	tls->charged = bytes;
}

/*
 * Limits two kinds of messages, which OpenSSL does not limit. A handshake
 * message that is received may be a KeyUpdate, which costs this side as much as
 * 40 records of data. An alert that is sent may be the refusal of a
 * renegotiation.
 */
static void tls_count_message(int sent, int version, int type, const void *data,
			      size_t len, SSL *ssl, void *arg)
{
	struct lined_socket *sock = arg;
	struct tls_session *tls = sock->layers->tls;

	if (type != (sent ? SSL3_RT_ALERT : SSL3_RT_HANDSHAKE))
		return;
	if (socket_now(sock) - tls->messages_at > MESSAGES_MS) {
		tls->messages = 0;
		tls->messages_at = socket_now(sock);
	}
	if (++tls->messages <= MESSAGES_MAX)
		return;
	tls_session_break(tls, "too many KeyUpdates or renegotiations");
	/* Without input, OpenSSL returns. */
	tls_io(sock)->in_len = 0;
}

int tls_session_begin(struct lined_socket *sock, struct tls_session *tls,
		      SSL_CTX *ctx)
{
	struct lined_dispatcher *d = sock->dispatcher;
	struct tls_io *io;

	if (d->transport_memory == NULL) {
		d->transport_memory = tls_io_new();
		d->transport_memory_free = tls_io_free;
	}
	io = d->transport_memory;
	tls->ssl = io != NULL ? SSL_new(ctx) : NULL;
	if (tls->ssl == NULL) {
		ERR_clear_error();
		return fail_with(ENOMEM);
	}
	SSL_set_app_data(tls->ssl, tls->server);
	SSL_set_msg_callback(tls->ssl, tls_count_message);
	SSL_set_msg_callback_arg(tls->ssl, sock);
	BIO_up_ref(io->bio);
	SSL_set_bio(tls->ssl, io->bio, io->bio);
	tls_session_charge(sock, tls);
	return 0;
}

void tls_session_end_handshake(struct tls_session *tls)
{
	if (tls->ssl != NULL)
		SSL_set_app_data(tls->ssl, NULL);
	tls_server_free(tls->server);
	SSL_CTX_free(tls->ctx);
	free(tls->name);
	tls->server = NULL;
	tls->ctx = NULL;
	tls->name = NULL;
	tls->done = NULL;
	tls->messages = 0;
}

void tls_session_drop_rests(struct lined_socket *sock, struct tls_session *tls)
{
	tls_rest_clear(&tls->held);
	tls_rest_clear(&tls->left);
	tls_session_charge(sock, tls);
}

void tls_session_free(struct lined_socket *sock, struct tls_session *tls)
{
	tls_session_end_handshake(tls);
	if (tls->charged > 0)
		memory_charge(&sock->dispatcher->pool.memory,
			      -(int64_t)tls->charged);
	SSL_free(tls->ssl);
	tls_rest_clear(&tls->held);
	tls_rest_clear(&tls->left);
	free(tls->error);
	free(tls);
}

void tls_free(struct lined_socket *sock)
{
	tls_session_free(sock, sock->layers->tls);
	sock->layers->tls = NULL;
}

/* ---- bytes in and out ---------------------------------------------------- */

void tls_session_break(struct tls_session *tls, const char *why)
{
	if (tls->error == NULL && why != NULL)
		tls->error = strdup(why);
	tls->broken = true;
}

/*
 * Drops the output that could not be written. Without these records the peer
 * cannot decode later ones, so the session is broken. If the peer has gone
 * (EPIPE, ECONNRESET), the session is not broken: input that the peer sent
 * before can still be read.
 */
static int tls_write_failed(struct tls_session *tls)
{
	int error = errno;

	tls_rest_clear(&tls->held);
	if (error != EPIPE && error != ECONNRESET)
		tls_session_break(tls, strerror(error));
	return fail_with(error);
}

int tls_session_write(struct lined_socket *sock, struct tls_session *tls)
{
	struct tls_io *io = tls_io(sock);
	const unsigned char *data = io->out;
	size_t len = io->out_len;
	ssize_t n;

	io->out_len = 0;
	if (!tls_rest_is_empty(&tls->held)) {
		if (tls_rest_append(&tls->held, data, len) < 0)
			return tls_write_failed(tls);
		data = tls->held.data + tls->held.off;
		len = tls->held.len - tls->held.off;
	}
	if (len == 0)
		return 0;
	do
		n = send(sock->delegate.fd, data, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
		return tls_write_failed(tls);
	if (n < 0)
		n = 0;
	if (!tls_rest_is_empty(&tls->held))
		tls_rest_advance(&tls->held, (size_t)n);
	else if (tls_rest_append(&tls->held, data + n, len - (size_t)n) < 0)
		return tls_write_failed(tls);
	tls_session_charge(sock, tls);
	return 0;
}

ssize_t tls_session_load(struct lined_socket *sock,
			 const struct tls_session *tls)
{
	struct tls_io *io = tls_io(sock);
	ssize_t n;

	if (!tls_rest_is_empty(&tls->left)) {
		io->in = tls->left.data + tls->left.off;
		io->in_len = tls->left.len - tls->left.off;
		return (ssize_t)io->in_len;
	}
	n = recv(sock->delegate.fd, io->read, sizeof(io->read), 0);
	io->in = io->read;
	io->in_len = n > 0 ? (size_t)n : 0;
	return n;
}

void tls_session_unload(struct lined_socket *sock, struct tls_session *tls)
{
	struct tls_io *io = tls_io(sock);
	size_t len = io->in_len;

	io->in_len = 0;
	if (!tls_rest_is_empty(&tls->left))
		tls_rest_advance(&tls->left,
				 tls->left.len - tls->left.off - len);
	else if (tls_rest_append(&tls->left, io->in, len) < 0)
		tls_session_break(tls, strerror(errno));
	tls_session_charge(sock, tls);
}

unsigned long tls_session_fail(struct tls_session *tls)
{
	unsigned long code;
	const char *reason = tls_take_error(&code);
	long verify = SSL_get_verify_result(tls->ssl);
	char text[256];

	if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED &&
	    verify != X509_V_OK)
		snprintf(text, sizeof(text), "%s: %s", reason,
			 X509_verify_cert_error_string(verify));
	else
		snprintf(text, sizeof(text), "%s", reason);
	tls_session_break(tls, text);
	return code;
}
