/* SPDX-License-Identifier: MIT */
/*
 * WebSocket over a plain stream or TLS, which is the transport below it. Frames
 * are decoded in the buffer that they were read into, and pieces of a message
 * go on as they come: a client that is idle, or within a message, holds no
 * buffer. What is sent is cut into lines, each a message, and goes through the
 * send queue as any other output; control frames, too.
 */
#include "config.h"

#include "websocket_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* ---- control frames ------------------------------------------------------ */

static size_t websocket_control(char *frame, enum websocket_opcode opcode,
				const void *payload, size_t len)
{
	size_t head = websocket_head(frame, opcode, len);

	memcpy(frame + head, payload, len);
	return head + len;
}

static void websocket_pinged(struct websocket_decoder *decoder,
			     const unsigned char *payload, size_t len)
{
	struct websocket *ws =
		lined_container_of(decoder, struct websocket, in);
	char frame[WEBSOCKET_HEAD_MAX + WEBSOCKET_CONTROL_MAX];
	struct iovec piece = {frame, 0};

	piece.iov_len = websocket_control(frame, WEBSOCKET_PONG, payload, len);
	if (!ws->said_close)
		stream_sendv(ws->sock, &piece, 1, piece.iov_len);
}

/* The code to close with; 0: none. */
static unsigned websocket_code(const struct lined_socket *sock)
{
	const struct websocket *ws = websocket_of(sock);

	if (ws->in.failed || ws->in.closed)
		return ws->in.code;
	if (!sock->closing && sock->ending)
		return WEBSOCKET_NORMAL;
	switch ((enum lined_close_reason)sock->reason) {
	case LINED_CLOSE_SHUTDOWN:
		return WEBSOCKET_GOING_AWAY;
	case LINED_CLOSE_TIMEOUT:
	case LINED_CLOSE_SLOW:
	case LINED_CLOSE_LIMIT:
	case LINED_CLOSE_KICKED:
		return WEBSOCKET_POLICY;
	case LINED_CLOSE_TOO_LONG:
		return WEBSOCKET_TOO_BIG;
	case LINED_CLOSE_ERROR:
		return WEBSOCKET_ERROR;
	default:
		return WEBSOCKET_NORMAL;
	}
}

static size_t websocket_close_frame(const struct lined_socket *sock,
				    char frame[WEBSOCKET_HEAD_MAX + 2])
{
	unsigned code = websocket_code(sock);
	char payload[2] = {(char)(code >> 8), (char)code};

	return websocket_control(frame, WEBSOCKET_CLOSE, payload,
				 code != 0 ? 2 : 0);
}

static bool websocket_end_output(struct lined_socket *sock)
{
	struct websocket *ws = websocket_of(sock);
	char frame[WEBSOCKET_HEAD_MAX + 2];

	if (ws->said_close)
		return websocket_lower_end_output(sock);
	ws->said_close = true;
	/* A stream that ended without a closing frame has nobody to read one.
	 */
	if (sock->eof && !ws->in.closed)
		return websocket_lower_end_output(sock);
	websocket_end_partial(sock, ws);
	websocket_queue(sock, frame, websocket_close_frame(sock, frame));
	return true;
}

/* The socket closes at once: says so, unless a frame is half sent. */
static void websocket_stop(struct lined_socket *sock)
{
	struct websocket *ws = websocket_of(sock);
	char frame[WEBSOCKET_HEAD_MAX + 2];
	struct iovec piece = {frame, 0};

	if (sock->dispatcher != NULL && !ws->said_close && !sock->ended &&
	    !sock->out.begun && !websocket_lower_holds_output(sock)) {
		piece.iov_len = websocket_close_frame(sock, frame);
		websocket_lower_send(sock, &piece, 1);
	}
	ws->said_close = true;
	websocket_lower_stop(sock);
}

/* Whether the peer will answer the close that it was sent. */
static bool websocket_is_answered(const struct lined_socket *sock)
{
	return !websocket_of(sock)->in.closed;
}

/* ---- pings --------------------------------------------------------------- */

static bool websocket_wakes(const struct lined_socket *sock, uint32_t *at)
{
	const struct websocket *ws = websocket_of(sock);

	*at = ws->ping_at;
	return ws->ping_ms > 0;
}

/* Whether the answer may have come without having been read. */
static bool websocket_is_unread(const struct lined_socket *sock)
{
	int bytes = 0;

	return !socket_may_read(sock) || websocket_lower_holds_input(sock) ||
	       (ioctl(sock->delegate.fd, FIONREAD, &bytes) == 0 && bytes > 0);
}

/* A ping is no output that the peer has taken, for idle-timeout: into an empty
 * queue it is written here. */
static void websocket_ping(struct lined_socket *sock)
{
	char frame[WEBSOCKET_HEAD_MAX];
	struct iovec piece = {frame, websocket_head(frame, WEBSOCKET_PING, 0)};
	ssize_t n = 0;

	if (send_queue_is_empty(&sock->out) &&
	    !websocket_lower_holds_output(sock)) {
		n = websocket_lower_send(sock, &piece, 1);
		if (n < 0)
			n = 0;
		socket_mark_dirty(sock);
	}
	if ((size_t)n < piece.iov_len)
		websocket_queue(sock, frame + n, piece.iov_len - (size_t)n);
}

static void websocket_wake(struct lined_socket *sock)
{
	struct websocket *ws = websocket_of(sock);

	ws->ping_at = socket_now(sock) + ws->ping_ms;
	if (ws->awaits_pong && !websocket_is_unread(sock)) {
		sock->expired = DEADLINE_WAKE;
		socket_end(sock, LINED_CLOSE_TIMEOUT, ETIMEDOUT);
		return;
	}
	if (!ws->awaits_pong && !ws->said_close && !sock->ending)
		websocket_ping(sock);
	ws->awaits_pong = true;
}

/* ---- input --------------------------------------------------------------- */

/* Bytes that came with the request, or are read now. As recv(2). */
static ssize_t websocket_read(struct lined_socket *sock, struct websocket *ws,
			      char *to, size_t size)
{
	size_t len = ws->bytes_len;

	if (ws->bytes == NULL)
		return websocket_lower_recv(sock, to, size);
	if (len > size)
		len = size;
	memcpy(to, ws->bytes, len);
	ws->bytes_len -= (uint32_t)len;
	memmove(ws->bytes, ws->bytes + len, ws->bytes_len);
	if (ws->bytes_len == 0) {
		free(ws->bytes);
		ws->bytes = NULL;
	}
	return (ssize_t)len;
}

static bool websocket_holds_input(const struct lined_socket *sock)
{
	const struct websocket *ws = websocket_of(sock);

	return ws->bytes != NULL || ws->in.closed || ws->in.failed ||
	       websocket_lower_holds_input(sock);
}

static ssize_t websocket_recv(struct lined_socket *sock, char *to, size_t size)
{
	struct websocket *ws = websocket_of(sock);
	const char *terminator;
	size_t terminator_len =
		lined_framing_terminator(&sock->framer.framing, &terminator);
	char *from = to + WEBSOCKET_SLACK;
	size_t got = 0;
	ssize_t n;

	while (got == 0 && !ws->in.closed && !ws->in.failed) {
		n = websocket_read(sock, ws, from, size - WEBSOCKET_SLACK);
		if (n <= 0)
			return n;
		got = websocket_decode(&ws->in, to, from, (size_t)n, terminator,
				       terminator_len, websocket_pinged);
		if (ws->in.ponged)
			ws->awaits_pong = ws->in.ponged = false;
		if (sock->state != LINED_SOCKET_CONNECTED ||
		    (ws->bytes == NULL && !websocket_lower_holds_input(sock)))
			break;
	}
	if (got > 0)
		return (ssize_t)got;
	if (ws->in.closed)
		return 0;
	if (ws->in.failed) {
		lined_socket_close_after_flush(sock, LINED_CLOSE_ERROR, 0);
		sock->error = EPROTO;
	}
	errno = EAGAIN;
	return -1;
}

const struct transport transport_websocket = {
	.delegate = TRANSPORT_DELEGATE,
	.serve = stream_serve,
	.is_unserved = stream_is_unserved,
	.read_line = stream_read_line,
	.read_block = stream_read_block,
	.read = stream_read,
	.sendv = websocket_sendv,
	.send_shared = websocket_send_shared,
	.flush = websocket_flush,
	.queued = stream_queued,
	.peer = stream_peer,
	.readable = stream_readable,
	.writable = socket_writable,
	.failed = stream_failed,
	.recv = websocket_recv,
	.send = websocket_lower_send,
	.holds_input = websocket_holds_input,
	.holds_output = websocket_lower_holds_output,
	.end_output = websocket_end_output,
	.is_answered = websocket_is_answered,
	.wakes = websocket_wakes,
	.wake = websocket_wake,
	.stop = websocket_stop,
	.free = websocket_free,
};
