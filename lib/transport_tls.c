/* SPDX-License-Identifier: MIT */
/*
 * Encrypts and decrypts the bytes of a stream, after the handshake
 * (tls_handshake.c).
 */
#include "config.h"

#include <openssl/err.h>
#include <string.h>

#include "fail.h"
#include "tls_session.h"

/* Records are written to the kernel when there are this many bytes. */
#define OUT_SIZE (64 * 1024)

/* ---- output -------------------------------------------------------------- */

/* A position in a vector that is read record by record. */
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
	while (cursor->piece < cursor->end && *len < TLS_RECORD_MAX) {
		const char *data =
			(const char *)cursor->piece->iov_base + cursor->off;
		size_t left = cursor->piece->iov_len - cursor->off;
		size_t n = TLS_RECORD_MAX - *len;

		if (n > left)
			n = left;
		cursor->off += n;
		if (cursor->off == cursor->piece->iov_len) {
			cursor->piece++;
			cursor->off = 0;
		}
		if (*len == 0 &&
		    (n == TLS_RECORD_MAX || cursor->piece == cursor->end)) {
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

	if (tls_session_write(sock, tls) < 0) {
		/* Only the close_notify is lost: this is not an error. */
		return tls->end_sent && count == 0 ? 0 : -1;
	}
	while (tls_rest_is_empty(&tls->held) &&
	       (data = tls_cursor_next(&cursor, io->plain, &len)) != NULL) {
		ERR_clear_error();
		if (tls->broken ||
		    !SSL_write_ex(tls->ssl, data, len, &written)) {
			io->out_len = 0;
			tls_session_fail(tls);
			return fail_with(EPROTO);
		}
		taken += len;
		if (io->out_len >= OUT_SIZE && tls_session_write(sock, tls) < 0)
			return -1;
	}
	if (tls_session_write(sock, tls) < 0)
		return -1;
	if (taken == 0 && !tls_rest_is_empty(&tls->held))
		return fail_with(EAGAIN);
	return (ssize_t)taken;
}

static size_t tls_held_output(const struct lined_socket *sock)
{
	const struct tls_rest *held = &sock->layers->tls->held;

	return held->len - held->off;
}

/* Adds a close_notify to the held output. False: none was added. */
static bool tls_end_output(struct lined_socket *sock)
{
	struct tls_session *tls = sock->layers->tls;
	struct tls_io *io = tls_io(sock);
	bool added;

	if (tls->end_sent || tls->broken)
		return false;
	tls->end_sent = true;
	ERR_clear_error();
	SSL_shutdown(tls->ssl);
	ERR_clear_error();
	added = io->out_len > 0 &&
		tls_rest_append(&tls->held, io->out, io->out_len) == 0;
	io->out_len = 0;
	return added;
}

/* The socket closes at once: sends close_notify, unless earlier output is still
 * held. */
static void tls_stop(struct lined_socket *sock)
{
	struct tls_session *tls = sock->layers->tls;

	if (sock->dispatcher != NULL && !sock->ended &&
	    tls_rest_is_empty(&tls->held) && tls_end_output(sock))
		tls_session_write(sock, tls);
	if (sock->dispatcher != NULL)
		tls_session_drop_rests(sock, tls);
}

/* ---- input --------------------------------------------------------------- */

/* The stream ended without close_notify: the last line may be cut. */
static void tls_truncated(struct lined_socket *sock)
{
	counter_add(&sock->group->counters.tls_truncated, 1);
	sock->framer.framing.unterminated = LINED_UNTERMINATED_DROP;
}

/* Writes the records that OpenSSL has made while it read, such as an answer to
 * a KeyUpdate. */
static void tls_write_answers(struct lined_socket *sock,
			      struct tls_session *tls)
{
	if (tls_io(sock)->out_len == 0)
		return;
	if (tls_session_write(sock, tls) == 0 &&
	    !tls_rest_is_empty(&tls->held) && !sock->blocked) {
		sock->blocked = true;
		socket_stalls(sock);
		socket_mark_dirty(sock); /* the flush sets the mode */
	}
}

/* Decodes records until there is no more room or no more input. 0: the stream
 * has ended. -1: an error, or nothing for now (EAGAIN). */
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
				tls_session_fail(tls);
			}
			break;
		}
		got += n;
	} while (got < size && (io->in_len > 0 || SSL_pending(tls->ssl) > 0));
	if (got > 0)
		return (ssize_t)got;
	return fail_with(tls->broken ? EPROTO : EAGAIN);
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
		return fail_with(EPROTO);
	}
	if (SSL_pending(tls->ssl) == 0 || !tls_rest_is_empty(&tls->left)) {
		n = tls_session_load(sock, tls);
		if (n == 0 || (n < 0 && !fail_is_for_now(errno)))
			tls_truncated(sock);
		if (n <= 0)
			return n;
	}
	n = tls_decode(tls, io, to, size);
	error = errno;
	tls_session_unload(sock, tls);
	tls_write_answers(sock, tls);
	if (n < 0 && error != EAGAIN)
		tls_truncated(sock);
	errno = error;
	return n;
}

/* An end or error that follows data given by recv() counts as input. */
static bool tls_holds_input(const struct lined_socket *sock)
{
	const struct tls_session *tls = sock->layers->tls;

	return !tls_rest_is_empty(&tls->left) || SSL_pending(tls->ssl) > 0 ||
	       tls->broken || tls_is_ended(tls);
}

static size_t tls_memory(const struct lined_socket *sock)
{
	const struct tls_session *tls = sock->layers->tls;

	return tls->held.len + tls->left.len;
}

const struct transport transport_tls = {
	.delegate = TRANSPORT_DELEGATE,
	TRANSPORT_STREAM_IO,
	TRANSPORT_STREAM_EVENTS,
	.recv = tls_recv,
	.send = tls_send,
	.holds_input = tls_holds_input,
	.held_output = tls_held_output,
	.end_output = tls_end_output,
	.memory = tls_memory,
	.stop = tls_stop,
	.free = tls_free,
};

const struct transport *tls_layer(const struct lined_socket *sock)
{
	return tls_of(sock) != NULL ? &transport_tls : NULL;
}
