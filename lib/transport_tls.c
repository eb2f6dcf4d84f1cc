/* SPDX-License-Identifier: MIT */
/*
 * TLS over a stream, driven by readiness. All sockets of a dispatcher share one
 * BIO: it gives OpenSSL the bytes of one read, and collects the records of a
 * turn for one write. Between calls of OpenSSL it is empty; what is left is
 * kept with the socket. tls_context.c makes the contexts.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "socket_priv.h"
#include "tls_priv.h"

/* The content types of a record that a handshake may begin with. */
#define RECORD_ALERT     0x15
#define RECORD_HANDSHAKE 0x16

#define RECORD_MAX SSL3_RT_MAX_PLAIN_LENGTH
/* Records are written to the kernel when there are this many bytes. */
#define OUT_SIZE (64 * 1024)
/* The most bytes of answers (to KeyUpdate) to a peer that does not read. */
#define ANSWERS_MAX (256 * 1024)

#define TIMEOUT_MS_DEFAULT 10000
#define NAME_MAX_BYTES     256

/* What the TLS sockets of a dispatcher share. */
struct tls_io {
	BIO_METHOD *method;
	BIO *bio;
	const unsigned char *in; /* what the BIO gives, in_len bytes */
	size_t in_len;
	unsigned char *out; /* what the BIO has taken */
	size_t out_len, out_room;
	char name[NAME_MAX_BYTES];
	unsigned char read[READ_SIZE];
	unsigned char plain[RECORD_MAX];
};

/* Bytes that wait: data[off .. len), NULL if there are none. */
struct tls_rest {
	unsigned char *data;
	size_t off, len;
};

struct tls_session {
	SSL *ssl;             /* NULL until a client's handshake begins */
	struct tls_rest held; /* output that the kernel has not taken */
	struct tls_rest left; /* input that OpenSSL has not taken */
	char *error;          /* the reason of a failure */
	/* For the handshake only: */
	struct tls_server *server;   /* NULL: the client's side */
	struct tls_context *context; /* of the client's side */
	char *name;
	tls_done *done;
	uint32_t timeout_ms;
	bool began;    /* the first byte was checked */
	bool said_end; /* close_notify was sent */
	bool broken;   /* an error ended it: only EPROTO comes from here */
};

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
		out = realloc(io->out, need + OUT_SIZE);
		if (out == NULL)
			return -1;
		io->out = out;
		io->out_room = need + OUT_SIZE;
	}
	memcpy(io->out + io->out_len, data, (size_t)size);
	io->out_len = need;
	return size;
}

static long tls_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
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
		errno = ENOMEM;
		return NULL;
	}
	BIO_set_data(io->bio, io);
	BIO_set_init(io->bio, 1);
	return io;
}

static struct tls_io *tls_io(const struct lined_socket *sock)
{
	return sock->dispatcher->transport_memory;
}

/* ---- what waits ---------------------------------------------------------- */

static bool rest_is_empty(const struct tls_rest *rest)
{
	return rest->data == NULL;
}

static void rest_clear(struct tls_rest *rest)
{
	free(rest->data);
	*rest = (struct tls_rest){NULL, 0, 0};
}

static int rest_append(struct tls_rest *rest, const void *data, size_t len)
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

static void rest_advance(struct tls_rest *rest, size_t n)
{
	rest->off += n;
	if (rest->off == rest->len)
		rest_clear(rest);
}

/* ---- making and ending --------------------------------------------------- */

static struct tls_session *tls_of(const struct lined_socket *sock)
{
	return sock->layered ? sock->layers->tls : NULL;
}

/* Gives the socket an SSL on its dispatcher's BIO. -1/ENOMEM. */
static int tls_make_ssl(struct lined_socket *sock, struct tls_session *tls,
			const struct tls_context *context)
{
	struct lined_dispatcher *d = sock->dispatcher;
	struct tls_io *io;

	if (d->transport_memory == NULL) {
		d->transport_memory = tls_io_new();
		d->transport_memory_free = tls_io_free;
	}
	io = d->transport_memory;
	tls->ssl = io != NULL ? SSL_new(context->ctx) : NULL;
	if (tls->ssl == NULL) {
		ERR_clear_error();
		errno = ENOMEM;
		return -1;
	}
	SSL_set_app_data(tls->ssl, tls->server);
	BIO_up_ref(io->bio);
	SSL_set_bio(tls->ssl, io->bio, io->bio);
	return 0;
}

/* What only the handshake needs. */
static void tls_end_handshake(struct tls_session *tls)
{
	if (tls->ssl != NULL)
		SSL_set_app_data(tls->ssl, NULL);
	tls_server_free(tls->server);
	tls_context_unref(tls->context);
	free(tls->name);
	tls->server = NULL;
	tls->context = NULL;
	tls->name = NULL;
	tls->done = NULL;
}

static void tls_destroy(struct tls_session *tls)
{
	tls_end_handshake(tls);
	SSL_free(tls->ssl);
	rest_clear(&tls->held);
	rest_clear(&tls->left);
	free(tls->error);
	free(tls);
}

static void tls_free(struct lined_socket *sock)
{
	tls_destroy(sock->layers->tls);
	sock->layers->tls = NULL;
}

/* ---- output -------------------------------------------------------------- */

/* Writes what is held, and what the BIO has taken; holds what the kernel does
 * not take. -1 and errno: the write side has failed, and nothing is held. */
static int tls_write_out(struct lined_socket *sock, struct tls_session *tls)
{
	struct tls_io *io = tls_io(sock);
	const unsigned char *data = io->out;
	size_t len = io->out_len;
	ssize_t n = 0;

	io->out_len = 0;
	if (!rest_is_empty(&tls->held)) {
		if (rest_append(&tls->held, data, len) < 0)
			return -1;
		data = tls->held.data + tls->held.off;
		len = tls->held.len - tls->held.off;
	}
	if (len > 0) {
		do
			n = send(sock->delegate.fd, data, len, MSG_NOSIGNAL);
		while (n < 0 && errno == EINTR);
		if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
			rest_clear(&tls->held);
			return -1;
		}
	}
	if (n < 0)
		n = 0;
	if (!rest_is_empty(&tls->held)) {
		rest_advance(&tls->held, (size_t)n);
		return 0;
	}
	return rest_append(&tls->held, data + n, len - (size_t)n);
}

/* Writes what OpenSSL wants to send of its own accord. */
static int tls_write_answers(struct lined_socket *sock, struct tls_session *tls)
{
	if (tls_io(sock)->out_len == 0)
		return 0;
	if (tls_write_out(sock, tls) < 0)
		return -1;
	if (rest_is_empty(&tls->held))
		return 0;
	if (tls->held.len - tls->held.off > ANSWERS_MAX) {
		errno = EPROTO;
		return -1;
	}
	if (!sock->blocked) {
		sock->blocked = true;
		socket_stalls(sock);
	}
	return 0;
}

/* Keeps the reason of the last error of OpenSSL, and returns its code. */
static unsigned long tls_keep_error(struct tls_session *tls)
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
	if (tls->error == NULL)
		tls->error = strdup(text);
	return code;
}

/* An error in the connection. -1/EPROTO. */
static int tls_break(struct tls_session *tls)
{
	tls_keep_error(tls);
	tls->broken = true;
	errno = EPROTO;
	return -1;
}

/* The pieces of a vector, record by record. */
struct tls_cursor {
	const struct iovec *piece, *end;
	size_t off;
};

/* Returns the next bytes, at most a record; small pieces are joined in `room`.
 * NULL: there are no more. */
static const void *tls_cursor_next(struct tls_cursor *cursor,
				   unsigned char *room, size_t *len)
{
	*len = 0;
	while (cursor->piece < cursor->end && *len < RECORD_MAX) {
		const char *data =
			(const char *)cursor->piece->iov_base + cursor->off;
		size_t left = cursor->piece->iov_len - cursor->off;
		size_t n = RECORD_MAX - *len;

		if (n > left)
			n = left;
		cursor->off += n;
		if (cursor->off == cursor->piece->iov_len) {
			cursor->piece++;
			cursor->off = 0;
		}
		if (*len == 0 &&
		    (n == RECORD_MAX || cursor->piece == cursor->end)) {
			*len = n;
			return n > 0 ? data : NULL;
		}
		memcpy(room + *len, data, n);
		*len += n;
	}
	return *len > 0 ? room : NULL;
}

static ssize_t tls_send(struct lined_socket *sock, const struct iovec *vector,
			int count)
{
	struct tls_cursor cursor = {vector, vector + count, 0};
	struct tls_session *tls = sock->layers->tls;
	struct tls_io *io = tls_io(sock);
	const void *data;
	size_t len, written, taken = 0;

	if (tls_write_out(sock, tls) < 0) {
		/* The peer need not wait for our close_notify. */
		return tls->said_end && count == 0 ? 0 : -1;
	}
	while (rest_is_empty(&tls->held) &&
	       (data = tls_cursor_next(&cursor, io->plain, &len)) != NULL) {
		ERR_clear_error();
		if (tls->broken ||
		    !SSL_write_ex(tls->ssl, data, len, &written)) {
			io->out_len = 0;
			return tls_break(tls);
		}
		taken += len;
		if (io->out_len >= OUT_SIZE && tls_write_out(sock, tls) < 0)
			return -1;
	}
	if (tls_write_out(sock, tls) < 0)
		return -1;
	if (taken == 0 && !rest_is_empty(&tls->held)) {
		errno = EAGAIN;
		return -1;
	}
	return (ssize_t)taken;
}

static bool tls_holds_output(const struct lined_socket *sock)
{
	return !rest_is_empty(&sock->layers->tls->held);
}

/* Adds a close_notify to what is held. False: there is none to send. */
static bool tls_add_end(struct lined_socket *sock, struct tls_session *tls)
{
	struct tls_io *io = tls_io(sock);
	bool added;

	if (tls->said_end || tls->broken)
		return false;
	tls->said_end = true;
	ERR_clear_error();
	SSL_shutdown(tls->ssl);
	ERR_clear_error();
	added = io->out_len > 0 &&
		rest_append(&tls->held, io->out, io->out_len) == 0;
	io->out_len = 0;
	return added;
}

static bool tls_end_output(struct lined_socket *sock)
{
	return tls_add_end(sock, sock->layers->tls);
}

/* The socket closes at once: says so, if no other record is half sent. */
static void tls_stop(struct lined_socket *sock)
{
	struct tls_session *tls = sock->layers->tls;

	if (sock->dispatcher != NULL && !sock->ended &&
	    rest_is_empty(&tls->held) && tls_add_end(sock, tls))
		tls_write_out(sock, tls);
}

/* ---- input --------------------------------------------------------------- */

/* The stream ended without close_notify: the last line may be cut. */
static void tls_truncated(struct lined_socket *sock)
{
	counter_add(&sock->group->counters.tls_truncated, 1);
	sock->framer.framing.unterminated = LINED_UNTERMINATED_DROP;
}

/* Gives the BIO what is left, or else the bytes of one read. As recv(2). */
static ssize_t tls_load(struct lined_socket *sock,
			const struct tls_session *tls)
{
	struct tls_io *io = tls_io(sock);
	ssize_t n;

	if (!rest_is_empty(&tls->left)) {
		io->in = tls->left.data + tls->left.off;
		io->in_len = tls->left.len - tls->left.off;
		return (ssize_t)io->in_len;
	}
	n = recv(sock->delegate.fd, io->read, sizeof(io->read), 0);
	io->in = io->read;
	io->in_len = n > 0 ? (size_t)n : 0;
	return n;
}

/* Keeps what OpenSSL has not taken. -1/ENOMEM. */
static int tls_unload(struct lined_socket *sock, struct tls_session *tls)
{
	struct tls_io *io = tls_io(sock);
	size_t len = io->in_len;

	io->in_len = 0;
	if (rest_is_empty(&tls->left))
		return rest_append(&tls->left, io->in, len);
	rest_advance(&tls->left, tls->left.len - tls->left.off - len);
	return 0;
}

/* Decodes records until there is no more room or no more input. -1: an error,
 * or nothing for now (EAGAIN). */
static ssize_t tls_decode(struct tls_session *tls, struct tls_io *io, char *to,
			  size_t size)
{
	size_t got = 0, n;

	do {
		ERR_clear_error();
		if (!SSL_read_ex(tls->ssl, to + got, size - got, &n)) {
			int error = SSL_get_error(tls->ssl, 0);

			if (error == SSL_ERROR_ZERO_RETURN) {
				io->in_len = 0;
				return (ssize_t)got;
			}
			if (error != SSL_ERROR_WANT_READ) {
				io->in_len = 0;
				tls_break(tls);
				return got > 0 ? (ssize_t)got : -1;
			}
			break;
		}
		got += n;
	} while (got < size && (io->in_len > 0 || SSL_pending(tls->ssl) > 0));
	if (got == 0) {
		errno = EAGAIN;
		return -1;
	}
	return (ssize_t)got;
}

static bool tls_is_ended(const struct tls_session *tls)
{
	return SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN;
}

static ssize_t tls_recv(struct lined_socket *sock, char *to, size_t size)
{
	struct tls_session *tls = sock->layers->tls;
	struct tls_io *io = tls_io(sock);
	ssize_t n;
	int error;

	if (tls_is_ended(tls))
		return 0;
	if (tls->broken) {
		tls_truncated(sock);
		errno = EPROTO;
		return -1;
	}
	if (SSL_pending(tls->ssl) == 0 || !rest_is_empty(&tls->left)) {
		n = tls_load(sock, tls);
		if (n == 0 || (n < 0 && errno != EAGAIN &&
			       errno != EWOULDBLOCK && errno != EINTR))
			tls_truncated(sock);
		if (n <= 0)
			return n;
	}
	n = tls_decode(tls, io, to, size);
	error = errno;
	if (tls_unload(sock, tls) < 0 || tls_write_answers(sock, tls) < 0) {
		io->out_len = 0;
		return -1;
	}
	if (n < 0 && error != EAGAIN)
		tls_truncated(sock);
	errno = error;
	return n;
}

/* The end, or an error, behind data that recv() has given counts as input. */
static bool tls_holds_input(const struct lined_socket *sock)
{
	const struct tls_session *tls = sock->layers->tls;

	return !rest_is_empty(&tls->left) || SSL_pending(tls->ssl) > 0 ||
	       tls->broken || tls_is_ended(tls);
}

const struct transport transport_tls = {
	.delegate = TRANSPORT_DELEGATE,
	TRANSPORT_STREAM_IO,
	.readable = stream_readable,
	.writable = socket_writable,
	.failed = stream_failed,
	.recv = tls_recv,
	.send = tls_send,
	.holds_input = tls_holds_input,
	.holds_output = tls_holds_output,
	.end_output = tls_end_output,
	.stop = tls_stop,
	.free = tls_free,
};

/* ---- the handshake ------------------------------------------------------- */

static void tls_report(struct lined_socket *sock, struct tls_session *tls,
		       enum tls_result result)
{
	tls_done *done = tls->done;

	tls_end_handshake(tls);
	if (done != NULL)
		done(sock, result, tls->error != NULL ? tls->error : "");
}

static void tls_handshake_fail(struct lined_socket *sock,
			       enum tls_result result, const char *why,
			       int error)
{
	struct tls_session *tls = sock->layers->tls;

	if (tls->error == NULL && why != NULL)
		tls->error = strdup(why);
	tls->broken = true;
	tls_report(sock, tls, result);
	socket_end(sock, LINED_CLOSE_ERROR, error);
}

static void tls_handshake_gone(struct lined_socket *sock, int error)
{
	tls_handshake_fail(sock, TLS_GONE,
			   error != 0 ? strerror(error)
				      : "the connection was closed",
			   error != 0 ? error : ECONNRESET);
}

/* The result of a handshake that OpenSSL has ended with this error. */
static enum tls_result tls_judge(unsigned long code)
{
	switch (ERR_GET_REASON(code)) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		return TLS_CERTIFICATE;
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_TLSV1_ALERT_USER_CANCELLED:
		return TLS_GONE;
	default:
		return TLS_PROTOCOL;
	}
}

void tls_established(struct lined_socket *sock)
{
	socket_established(sock, &transport_tls);
	if (sock->state == LINED_SOCKET_CONNECTED && sock->blocked)
		socket_stalls(sock);
}

static void tls_handshake_finished(struct lined_socket *sock,
				   struct tls_session *tls)
{
	tls_done *done = tls->done;

	if (tls_unload(sock, tls) < 0) {
		tls_handshake_fail(sock, TLS_PROTOCOL, NULL, ENOMEM);
		return;
	}
	tls_end_handshake(tls);
	if (done != NULL)
		done(sock, TLS_OK, "");
	else
		tls_established(sock);
}

/* Goes on with the handshake as far as the input allows. */
static void tls_handshake_advance(struct lined_socket *sock,
				  struct tls_session *tls)
{
	struct tls_io *io = tls_io(sock);
	int rc, error;

	ERR_clear_error();
	rc = SSL_do_handshake(tls->ssl);
	error = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(tls->ssl, rc);
	if (tls_write_out(sock, tls) < 0 &&
	    (error == SSL_ERROR_NONE || error == SSL_ERROR_WANT_READ)) {
		tls_handshake_gone(sock, errno);
		return;
	}
	sock->blocked = !rest_is_empty(&tls->held);
	if (error == SSL_ERROR_NONE) {
		tls_handshake_finished(sock, tls);
	} else if (error == SSL_ERROR_WANT_READ) {
		socket_update_mode(sock);
	} else if (error == SSL_ERROR_ZERO_RETURN) {
		tls_handshake_gone(sock, 0);
	} else {
		io->in_len = 0;
		tls_handshake_fail(sock, tls_judge(tls_keep_error(tls)), NULL,
				   EPROTO);
	}
}

static void tls_handshake_readable(struct lined_socket *sock)
{
	struct tls_session *tls = sock->layers->tls;
	struct tls_io *io = tls_io(sock);
	ssize_t n = tls_load(sock, tls);

	if (n < 0 &&
	    (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0) {
		tls_handshake_gone(sock, n < 0 ? errno : 0);
		return;
	}
	if (!tls->began && io->in[0] != RECORD_HANDSHAKE &&
	    (tls->server != NULL || io->in[0] != RECORD_ALERT)) {
		io->in_len = 0;
		tls_handshake_fail(sock, TLS_PLAINTEXT,
				   "the peer does not speak TLS", EPROTO);
		return;
	}
	tls->began = true;
	tls_handshake_advance(sock, tls);
}

static void tls_handshake_writable(struct lined_socket *sock)
{
	sock->blocked = false;
	socket_mark_dirty(sock);
}

static void tls_handshake_flush(struct lined_socket *sock)
{
	struct tls_session *tls = sock->layers->tls;

	if (sock->state != LINED_SOCKET_CONNECTING || sock->blocked)
		return;
	if (tls_write_out(sock, tls) < 0) {
		tls_handshake_gone(sock, errno);
		return;
	}
	sock->blocked = !rest_is_empty(&tls->held);
	socket_update_mode(sock);
}

static void tls_handshake_stop(struct lined_socket *sock)
{
	struct tls_session *tls = sock->layers->tls;

	if (sock->expired == DEADLINE_HANDSHAKE && tls->error == NULL)
		tls->error = strdup("handshake timeout");
	tls_report(sock, tls,
		   sock->expired == DEADLINE_HANDSHAKE ? TLS_TIMEOUT
						       : TLS_CLOSED);
}

/* The server's name as the client wants it: verified, and sent by SNI unless it
 * is an address. -1/ENOMEM. */
static int tls_set_name(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	unsigned char address[16];

	if (inet_pton(AF_INET, name, address) == 1 ||
	    inet_pton(AF_INET6, name, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(param, name) ? 0 : -1;
	X509_VERIFY_PARAM_set_hostflags(param,
					X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(param, name, 0) &&
			       SSL_set_tlsext_host_name(ssl, name)
		       ? 0
		       : -1;
}

/* The client's side: the socket has just been connected. */
static const struct transport transport_tls_handshake;

static void tls_handshake_begin(struct lined_socket *sock)
{
	struct tls_session *tls = sock->layers->tls;

	if (tls_make_ssl(sock, tls, tls->context) < 0 ||
	    tls_set_name(tls->ssl, tls->name) < 0) {
		tls_handshake_fail(sock, TLS_PROTOCOL, NULL, ENOMEM);
		return;
	}
	SSL_set_connect_state(tls->ssl);
	socket_handshake(sock, &transport_tls_handshake, tls->timeout_ms);
	tls_io(sock)->in_len = 0;
	tls_handshake_advance(sock, tls);
}

static const struct transport transport_tls_handshake = {
	.delegate = TRANSPORT_DELEGATE,
	TRANSPORT_STREAM_IO_BUT_FLUSH,
	.handshake_mode = LINED_MODE_READ,
	.begin = tls_handshake_begin,
	.readable = tls_handshake_readable,
	.writable = tls_handshake_writable,
	.failed = stream_failed,
	.flush = tls_handshake_flush,
	.stop = tls_handshake_stop,
	.free = tls_free,
};

/* ---- beginning ----------------------------------------------------------- */

/* Moves the queue, which is to leave without TLS. -1/ENOMEM. */
static int tls_hold_queue(struct lined_socket *sock, struct tls_session *tls)
{
	struct iovec piece;

	while (send_queue_peek(&sock->out, &piece, 1) == 1) {
		if (rest_append(&tls->held, piece.iov_base, piece.iov_len) < 0)
			return -1;
		socket_note_written(sock, piece.iov_len);
	}
	return 0;
}

static int tls_may_accept(const struct lined_socket *sock)
{
	if (sock->dispatcher == NULL || sock->delegate.fd < 0 ||
	    socket_transport(sock)->is_datagram)
		errno = EINVAL;
	else if (tls_of(sock) != NULL)
		errno = EALREADY;
	else if (sock->state == LINED_SOCKET_CLOSED || sock->closing ||
		 sock->ending || sock->ended || sock->eof || sock->error != 0)
		errno = EPIPE;
	else
		return 0;
	return -1;
}

int tls_accept(struct lined_socket *sock, struct tls_server *server,
	       uint32_t timeout_ms, tls_done *done)
{
	struct tls_session *tls;

	if (tls_may_accept(sock) < 0)
		return -1;
	tls = calloc(1, sizeof(*tls));
	if (tls == NULL)
		return -1;
	tls->server = server;
	server->refs++;
	tls->done = done;
	if (tls_make_ssl(sock, tls, server->contexts[0]) < 0 ||
	    socket_layers(sock) == NULL || tls_hold_queue(sock, tls) < 0) {
		tls_destroy(tls);
		errno = ENOMEM;
		return -1;
	}
	SSL_set_accept_state(tls->ssl);
	sock->layers->tls = tls;
	socket_handshake(sock, &transport_tls_handshake, timeout_ms);
	if (!rest_is_empty(&tls->held))
		socket_mark_dirty(sock);
	return 0;
}

int lined_socket_use_tls(struct lined_socket *sock,
			 struct lined_tls_client *client, const char *name,
			 unsigned timeout_ms)
{
	struct tls_session *tls;

	if (sock->state != LINED_SOCKET_IDLE ||
	    socket_transport(sock) != &transport_stream) {
		errno = EISCONN;
		return -1;
	}
	tls = calloc(1, sizeof(*tls));
	if (tls == NULL)
		return -1;
	tls->name = strdup(name);
	if (tls->name == NULL || socket_layers(sock) == NULL) {
		tls_destroy(tls);
		errno = ENOMEM;
		return -1;
	}
	tls->context = tls_context_ref(client->context);
	tls->timeout_ms = timeout_ms > 0 ? timeout_ms : TIMEOUT_MS_DEFAULT;
	sock->layers->tls = tls;
	socket_set_transport(sock, &transport_tls_handshake);
	return 0;
}

/* ---- asking -------------------------------------------------------------- */

const char *lined_socket_tls_error(const struct lined_socket *sock)
{
	const struct tls_session *tls = tls_of(sock);

	return tls != NULL && tls->error != NULL ? tls->error : "";
}

/* Copies a name. False: it is empty, too long, or has a NUL in it. */
static bool tls_copy_name(char *to, const ASN1_STRING *name)
{
	unsigned char *utf8;
	int len = ASN1_STRING_to_UTF8(&utf8, name);
	bool good;

	if (len < 0) {
		ERR_clear_error();
		return false;
	}
	good = len > 0 && len < NAME_MAX_BYTES &&
	       memchr(utf8, '\0', (size_t)len) == NULL;
	if (good) {
		memcpy(to, utf8, (size_t)len);
		to[len] = '\0';
	}
	OPENSSL_free(utf8);
	return good;
}

/* The first DNS, e-mail or URI name; without any, the common name. */
static void tls_find_name(const X509 *certificate, char *to)
{
	GENERAL_NAMES *names =
		X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	const X509_NAME *subject = X509_get_subject_name(certificate);
	bool found = false;
	int i, type;

	for (i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
		const ASN1_STRING *text = GENERAL_NAME_get0_value(
			sk_GENERAL_NAME_value(names, i), &type);

		if (type == GEN_DNS || type == GEN_EMAIL || type == GEN_URI)
			found = tls_copy_name(to, text);
	}
	GENERAL_NAMES_free(names);
	i = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (!found && i >= 0)
		tls_copy_name(to, X509_NAME_ENTRY_get_data(
					  X509_NAME_get_entry(subject, i)));
}

bool tls_describe(struct lined_socket *sock, struct lined_tls *out)
{
	const struct tls_session *tls = tls_of(sock);
	struct tls_io *io;
	X509 *peer;

	memset(out, 0, sizeof(*out));
	if (tls == NULL || tls->ssl == NULL || sock->dispatcher == NULL ||
	    !SSL_is_init_finished(tls->ssl))
		return false;
	io = tls_io(sock);
	io->name[0] = '\0';
	out->version = SSL_get_version(tls->ssl);
	out->cipher = SSL_get_cipher_name(tls->ssl);
	out->server_name =
		SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
	if (out->server_name == NULL)
		out->server_name = "";
	out->name = io->name;
	peer = SSL_get0_peer_certificate(tls->ssl);
	if (peer == NULL)
		return true;
	X509_digest(peer, EVP_sha256(), out->sha256, NULL);
	out->verified = SSL_get_verify_result(tls->ssl) == X509_V_OK &&
			SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE;
	if (out->verified)
		tls_find_name(peer, io->name);
	return true;
}

const struct transport *tls_layer(const struct lined_socket *sock)
{
	return tls_of(sock) != NULL ? &transport_tls : NULL;
}
