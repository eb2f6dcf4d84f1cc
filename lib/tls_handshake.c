/* SPDX-License-Identifier: MIT */
/*
 * Advances TLS handshakes, as server and as client, when the descriptor is
 * ready. The protocol sees the socket after the handshake.
 */
#include "config.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "tls_session.h"

/* The content types of a record that a handshake may begin with. */
#define RECORD_ALERT     0x15
#define RECORD_HANDSHAKE 0x16

#define TIMEOUT_MS_DEFAULT 10000

/* The most handshakes that advance in a turn, so that many new clients do not
 * delay the others: each handshake takes some 0.3 ms. */
#define HANDSHAKES_A_TURN 16

static void tls_report(struct lined_socket *sock, struct tls_session *tls,
		       enum tls_result result)
{
	tls_done *done = tls->done;

	tls_session_end_handshake(tls);
	if (done != NULL)
		done(sock, result, tls->error != NULL ? tls->error : "");
}

static void tls_handshake_fail(struct lined_socket *sock,
			       enum tls_result result, const char *why,
			       int error)
{
	struct tls_session *tls = sock->layers->tls;

	tls_session_break(tls, why);
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

	tls_session_unload(sock, tls);
	if (tls->broken) {
		tls_handshake_fail(sock, TLS_PROTOCOL, NULL, ENOMEM);
		return;
	}
	tls_session_end_handshake(tls);
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
	/* The write may fail when the last message of the handshake has already
	 * come. The peer may have sent lines behind this message before it
	 * left. These lines are still read. */
	if (tls_session_write(sock, tls) < 0 &&
	    (error == SSL_ERROR_WANT_READ ||
	     (error == SSL_ERROR_NONE && tls->broken))) {
		tls_handshake_gone(sock, errno);
		return;
	}
	sock->blocked = !tls_rest_is_empty(&tls->held);
	if (error == SSL_ERROR_NONE) {
		tls_handshake_finished(sock, tls);
	} else if (error == SSL_ERROR_WANT_READ) {
		socket_update_mode(sock);
	} else if (error == SSL_ERROR_ZERO_RETURN) {
		tls_handshake_gone(sock, 0);
	} else {
		io->in_len = 0;
		tls_handshake_fail(sock, tls_judge(tls_session_fail(tls)), NULL,
				   EPROTO);
	}
}

/* False: enough handshakes advanced in this turn; the poller reports the
 * descriptor again. */
static bool tls_handshake_has_turn(const struct lined_socket *sock)
{
	struct tls_io *io = tls_io(sock);

	if (io->turn != sock->dispatcher->turns.turns) {
		io->turn = sock->dispatcher->turns.turns;
		io->handshakes = 0;
	}
	return io->handshakes++ < HANDSHAKES_A_TURN;
}

static void tls_handshake_readable(struct lined_socket *sock)
{
	struct tls_session *tls = sock->layers->tls;
	struct tls_io *io = tls_io(sock);
	ssize_t n;

	if (!tls_handshake_has_turn(sock))
		return;
	n = tls_session_load(sock, tls);
	if (n < 0 && fail_is_for_now(errno))
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
	if (tls_session_write(sock, tls) < 0) {
		tls_handshake_gone(sock, errno);
		return;
	}
	sock->blocked = !tls_rest_is_empty(&tls->held);
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

/* Sets the name that the server's certificate must have. Sends the name by SNI,
 * unless it is an address. -1/ENOMEM. */
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

static const struct transport transport_tls_handshake;

/* The client's side: the socket has just been connected. */
static void tls_handshake_begin(struct lined_socket *sock)
{
	struct tls_session *tls = sock->layers->tls;

	if (tls_session_begin(sock, tls, tls->ctx) < 0 ||
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
	TRANSPORT_STREAM_INPUT,
	.sendv = stream_sendv,
	.send_shared = stream_send_shared,
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

/* Moves the queue to the held output, which is sent without TLS. -1/ENOMEM. */
static int tls_hold_queue(struct lined_socket *sock, struct tls_session *tls)
{
	struct tls_rest *held = &tls->held;
	struct iovec piece;

	if (send_queue_is_empty(&sock->out))
		return 0;
	/* One allocation: the queue must not be moved in part. */
	held->data = malloc(sock->out.bytes);
	if (held->data == NULL)
		return -1;
	while (send_queue_peek(&sock->out, &piece, 1) == 1) {
		memcpy(held->data + held->len, piece.iov_base, piece.iov_len);
		held->len += piece.iov_len;
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
	if (tls_session_begin(sock, tls, server->contexts[0]->ctx) < 0 ||
	    socket_layers(sock) == NULL || tls_hold_queue(sock, tls) < 0) {
		tls_session_free(sock, tls);
		return fail_with(ENOMEM);
	}
	SSL_set_accept_state(tls->ssl);
	sock->layers->tls = tls;
	socket_handshake(sock, &transport_tls_handshake, timeout_ms);
	if (!tls_rest_is_empty(&tls->held))
		socket_mark_dirty(sock);
	return 0;
}

int lined_socket_use_tls(struct lined_socket *sock,
			 struct lined_tls_client *client, const char *name,
			 unsigned timeout_ms)
{
	struct tls_session *tls;

	if (sock->state != LINED_SOCKET_IDLE ||
	    socket_transport(sock) != &transport_stream)
		return fail_with(EISCONN);
	tls = calloc(1, sizeof(*tls));
	if (tls == NULL)
		return -1;
	tls->name = strdup(name);
	if (tls->name == NULL || socket_layers(sock) == NULL) {
		tls_session_free(sock, tls);
		return fail_with(ENOMEM);
	}
	SSL_CTX_up_ref(client->ctx);
	tls->ctx = client->ctx;
	tls->timeout_ms = timeout_ms > 0 ? timeout_ms : TIMEOUT_MS_DEFAULT;
	sock->layers->tls = tls;
	socket_set_transport(sock, &transport_tls_handshake);
	return 0;
}
