/* SPDX-License-Identifier: MIT */
/*
 * WebSocket over a plain stream or TLS, which is the transport below it. Frames
 * are decoded in the buffer that they were read into, and pieces of a message
 * go on as they come: a client that is idle, or within a message, holds no
 * buffer. What is sent is cut into lines, each a message, and goes through the
 * send queue as any other output; control frames, too.
 */
#include "config.h"

#include "websocket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "socket_priv.h"
#include "websocket_encode.h"
#include "websocket_frame.h"

/* How long a response that is no upgrade may take to leave. */
#define RESPONSE_MS 10000

struct websocket {
	struct websocket_decoder in;
	struct lined_socket *sock;
	const struct transport *lower;
	websocket_request *request;
	/* The request; then what has come behind it. NULL: nothing. */
	char *bytes;
	uint32_t bytes_len;
	/* What was sent without a terminator: it waits for one. */
	uint32_t partial_len;
	char *partial;
	uint32_t ping_ms, ping_at;
	bool awaits_pong;
	bool said_close;
};

static const struct transport transport_upgrade, transport_upgrade_full,
	transport_response, transport_websocket;

static struct websocket *websocket_of(const struct lined_socket *sock)
{
	return sock->layers->websocket;
}

static void websocket_free(struct lined_socket *sock)
{
	struct websocket *ws = websocket_of(sock);
	const struct transport *lower = ws->lower;

	websocket_decoder_fini(&ws->in);
	free(ws->bytes);
	free(ws->partial);
	free(ws);
	sock->layers->websocket = NULL;
	if (lower->free != NULL)
		lower->free(sock);
}

/* ---- the transport below ------------------------------------------------- */

static ssize_t lower_recv(struct lined_socket *sock, char *to, size_t size)
{
	return websocket_of(sock)->lower->recv(sock, to, size);
}

static ssize_t lower_send(struct lined_socket *sock, const struct iovec *vector,
			  int count)
{
	return websocket_of(sock)->lower->send(sock, vector, count);
}

static bool lower_holds_input(const struct lined_socket *sock)
{
	const struct transport *lower = websocket_of(sock)->lower;

	return lower->holds_input != NULL && lower->holds_input(sock);
}

static bool lower_holds_output(const struct lined_socket *sock)
{
	const struct transport *lower = websocket_of(sock)->lower;

	return lower->holds_output != NULL && lower->holds_output(sock);
}

static bool lower_end_output(struct lined_socket *sock)
{
	const struct transport *lower = websocket_of(sock)->lower;

	return lower->end_output != NULL && lower->end_output(sock);
}

static void lower_stop(struct lined_socket *sock)
{
	const struct transport *lower = websocket_of(sock)->lower;

	if (lower->stop != NULL)
		lower->stop(sock);
}

/* ---- control frames ------------------------------------------------------ */

/* Queues bytes whatever the limit: the queue ends with them. */
static void websocket_queue(struct lined_socket *sock, const void *bytes,
			    size_t len)
{
	const struct iovec piece = {(void *)(uintptr_t)bytes, len};

	if (send_queue_push(&sock->out, &sock->dispatcher->pool, &piece, 1, len,
			    false) == 0)
		counter_add(&sock->group->counters.queued, len);
}

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

/* What a protocol has sent without a terminator becomes the last message. */
static void websocket_end_partial(struct lined_socket *sock,
				  struct websocket *ws)
{
	char head[WEBSOCKET_HEAD_MAX];

	if (ws->partial == NULL)
		return;
	websocket_queue(
		sock, head,
		websocket_line_head(head, ws->partial, ws->partial_len));
	websocket_queue(sock, ws->partial, ws->partial_len);
	free(ws->partial);
	ws->partial = NULL;
}

static bool websocket_end_output(struct lined_socket *sock)
{
	struct websocket *ws = websocket_of(sock);
	char frame[WEBSOCKET_HEAD_MAX + 2];

	if (ws->said_close)
		return lower_end_output(sock);
	ws->said_close = true;
	/* A stream that ended without a closing frame has nobody to read one.
	 */
	if (sock->eof && !ws->in.closed)
		return lower_end_output(sock);
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
	    !sock->out.begun && !lower_holds_output(sock)) {
		piece.iov_len = websocket_close_frame(sock, frame);
		lower_send(sock, &piece, 1);
	}
	ws->said_close = true;
	lower_stop(sock);
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

	return !socket_may_read(sock) || lower_holds_input(sock) ||
	       (ioctl(sock->delegate.fd, FIONREAD, &bytes) == 0 && bytes > 0);
}

/* A ping is no output that the peer has taken, for idle-timeout: into an empty
 * queue it is written here. */
static void websocket_ping(struct lined_socket *sock)
{
	char frame[WEBSOCKET_HEAD_MAX];
	struct iovec piece = {frame, websocket_head(frame, WEBSOCKET_PING, 0)};
	ssize_t n = 0;

	if (send_queue_is_empty(&sock->out) && !lower_holds_output(sock)) {
		n = lower_send(sock, &piece, 1);
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
		return lower_recv(sock, to, size);
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
	       lower_holds_input(sock);
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
		    (ws->bytes == NULL && !lower_holds_input(sock)))
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

/* ---- output -------------------------------------------------------------- */

static int websocket_send_line(struct lined_socket *sock, const char *line,
			       size_t len)
{
	char head[WEBSOCKET_HEAD_MAX];
	const struct iovec pieces[] = {
		{head, websocket_line_head(head, line, len)},
		{(void *)(uintptr_t)line, len},
	};

	return stream_sendv(sock, pieces, 2, pieces[0].iov_len + len);
}

/* Keeps what has no terminator yet. */
static int websocket_keep_partial(struct lined_socket *sock,
				  struct websocket *ws, const char *text,
				  size_t len)
{
	uint32_t limit = socket_limits(sock)->send_queue;
	char *copy = NULL;

	if (limit > 0 && len > limit) {
		socket_end(sock, LINED_CLOSE_SLOW, 0);
		errno = ENOBUFS;
		return -1;
	}
	if (len > 0) {
		copy = malloc(len);
		if (copy == NULL)
			return -1;
		memcpy(copy, text, len);
	}
	free(ws->partial);
	ws->partial = copy;
	ws->partial_len = (uint32_t)len;
	return 0;
}

/* Any number of lines, of which the first may have begun and the last may not
 * be complete. */
static int websocket_send_text(struct lined_socket *sock, struct websocket *ws,
			       const struct iovec *pieces, size_t count,
			       size_t total)
{
	struct websocket_cut cut = websocket_cut_of(&sock->framer.framing);
	size_t len = ws->partial != NULL ? ws->partial_len : 0, rest, i;
	char *text = malloc(len + total), *frames = NULL;
	struct iovec all;
	int rc = -1;

	if (text == NULL)
		return -1;
	if (len > 0)
		memcpy(text, ws->partial, len);
	for (i = 0; i < count; i++) {
		if (pieces[i].iov_len == 0)
			continue;
		memcpy(text + len, pieces[i].iov_base, pieces[i].iov_len);
		len += pieces[i].iov_len;
	}
	frames = malloc(websocket_encoded_room(cut, text, len));
	if (frames != NULL) {
		all.iov_base = frames;
		all.iov_len = websocket_encode(cut, frames, text, len, &rest);
		rc = stream_sendv(sock, &all, 1, all.iov_len);
		if (sock->state != LINED_SOCKET_CLOSED &&
		    websocket_keep_partial(sock, ws, text + len - rest, rest) <
			    0)
			rc = -1;
	}
	free(frames);
	free(text);
	return rc;
}

/* Whether the pieces are a line and its terminator, as
 * lined_socket_send_line() has them. */
static bool websocket_is_line(struct websocket_cut cut,
			      const struct iovec *pieces, size_t count)
{
	const char *end = count == 2 ? pieces[1].iov_base : NULL;

	if (count != 2 ||
	    memchr(pieces[0].iov_base, cut.end, pieces[0].iov_len) != NULL)
		return false;
	return (pieces[1].iov_len == 1 && end[0] == cut.end) ||
	       (pieces[1].iov_len == 2 && cut.strips_cr && end[0] == '\r' &&
		end[1] == cut.end);
}

static int websocket_sendv(struct lined_socket *sock,
			   const struct iovec *pieces, size_t count,
			   size_t total)
{
	struct websocket_cut cut = websocket_cut_of(&sock->framer.framing);
	struct websocket *ws = websocket_of(sock);
	long len;

	if (ws->said_close || sock->state == LINED_SOCKET_CLOSED) {
		errno = EPIPE;
		return -1;
	}
	if (total == 0)
		return stream_sendv(sock, pieces, count, 0);
	if (ws->partial == NULL && count == 1) {
		len = websocket_single_line(cut, pieces[0].iov_base, total);
		if (len >= 0)
			return websocket_send_line(sock, pieces[0].iov_base,
						   (size_t)len);
	}
	if (ws->partial == NULL && websocket_is_line(cut, pieces, count))
		return websocket_send_line(sock, pieces[0].iov_base,
					   pieces[0].iov_len);
	return websocket_send_text(sock, ws, pieces, count, total);
}

static int websocket_send_shared(struct lined_socket *sock,
				 struct lined_buffer *buffer, size_t offset,
				 size_t len)
{
	struct websocket_cut cut = websocket_cut_of(&sock->framer.framing);
	struct websocket *ws = websocket_of(sock);
	struct lined_buffer *frames = NULL;
	struct iovec piece;

	if (ws->partial == NULL && !ws->said_close && sock->dispatcher != NULL)
		frames = websocket_cache_get(&sock->dispatcher->websockets,
					     buffer, offset, len, cut);
	if (frames != NULL)
		return stream_send_shared(sock, frames, 0,
					  lined_buffer_len(frames));
	piece.iov_base =
		(void *)(uintptr_t)(lined_buffer_data(buffer) + offset);
	piece.iov_len = len;
	return websocket_sendv(sock, &piece, 1, len);
}

/* The sends of the turn are over. */
static void websocket_flush(struct lined_socket *sock)
{
	websocket_cache_clear(&sock->dispatcher->websockets);
	stream_flush(sock);
}

static const struct transport transport_websocket = {
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
	.send = lower_send,
	.holds_input = websocket_holds_input,
	.holds_output = lower_holds_output,
	.end_output = websocket_end_output,
	.is_answered = websocket_is_answered,
	.wakes = websocket_wakes,
	.wake = websocket_wake,
	.stop = websocket_stop,
	.free = websocket_free,
};

/* ---- the upgrade --------------------------------------------------------- */

static bool upgrade_is_waiting(const struct lined_socket *sock)
{
	return sock->state == LINED_SOCKET_CONNECTING &&
	       socket_transport(sock) == &transport_upgrade;
}

static void upgrade_received(struct lined_socket *sock, struct websocket *ws)
{
	ws->request(sock, ws->bytes, ws->bytes_len);
	/* No room for more: it is not read, until there is a decision. */
	if (upgrade_is_waiting(sock) &&
	    ws->bytes_len == WEBSOCKET_REQUEST_MAX) {
		socket_set_transport(sock, &transport_upgrade_full);
		socket_update_mode(sock);
	}
}

static void upgrade_readable(struct lined_socket *sock)
{
	struct websocket *ws = websocket_of(sock);
	ssize_t n;

	do {
		n = lower_recv(sock, ws->bytes + ws->bytes_len,
			       WEBSOCKET_REQUEST_MAX - ws->bytes_len);
		if (n < 0 &&
		    (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			return;
		if (n <= 0) {
			socket_end(sock,
				   n == 0 ? LINED_CLOSE_PEER
					  : LINED_CLOSE_ERROR,
				   n == 0 ? 0 : errno);
			return;
		}
		ws->bytes_len += (uint32_t)n;
		upgrade_received(sock, ws);
	} while (upgrade_is_waiting(sock) && lower_holds_input(sock));
}

#define TRANSPORT_UPGRADE                                                      \
	.delegate = TRANSPORT_DELEGATE, TRANSPORT_STREAM_IO,                   \
	.readable = upgrade_readable, .writable = socket_writable,             \
	.failed = stream_failed, .stop = lower_stop, .free = websocket_free

static const struct transport transport_upgrade = {
	TRANSPORT_UPGRADE,
	.handshake_mode = LINED_MODE_READ,
};

static const struct transport transport_upgrade_full = {
	TRANSPORT_UPGRADE,
};

int websocket_begin(struct lined_socket *sock, const char *early,
		    size_t early_len, uint32_t timeout_ms,
		    websocket_request *request)
{
	struct layers *layers = socket_layers(sock);
	struct websocket *ws = calloc(1, sizeof(*ws));

	if (layers == NULL || ws == NULL)
		goto fail;
	ws->bytes = malloc(WEBSOCKET_REQUEST_MAX);
	if (ws->bytes == NULL)
		goto fail;
	ws->sock = sock;
	ws->lower = tls_layer(sock);
	if (ws->lower == NULL)
		ws->lower = &transport_stream;
	ws->request = request;
	layers->websocket = ws;
	socket_handshake(sock, &transport_upgrade, timeout_ms);
	if (sock->state != LINED_SOCKET_CONNECTING)
		return 0;
	if (early_len > 0) {
		memcpy(ws->bytes, early, early_len);
		ws->bytes_len = (uint32_t)early_len;
		upgrade_received(sock, ws);
	}
	if (upgrade_is_waiting(sock) && lower_holds_input(sock))
		upgrade_readable(sock);
	return 0;
fail:
	free(ws);
	errno = ENOMEM;
	return -1;
}

void websocket_accept(struct lined_socket *sock, size_t request_len,
		      const char *response, size_t len, uint32_t ping_ms)
{
	const struct iovec piece = {(void *)(uintptr_t)response, len};
	struct websocket *ws = websocket_of(sock);
	char *smaller;

	ws->bytes_len -= (uint32_t)request_len;
	memmove(ws->bytes, ws->bytes + request_len, ws->bytes_len);
	if (ws->bytes_len == 0) {
		free(ws->bytes);
		ws->bytes = NULL;
	} else if ((smaller = realloc(ws->bytes, ws->bytes_len)) != NULL) {
		ws->bytes = smaller;
	}
	ws->ping_ms = ping_ms;
	ws->ping_at = socket_now(sock) + ping_ms;
	if (stream_sendv(sock, &piece, 1, len) < 0) {
		socket_end(sock, LINED_CLOSE_ERROR, errno);
		return;
	}
	socket_established(sock, &transport_websocket);
}

/* Bytes as they are, for a response. */
static const struct transport transport_response = {
	.delegate = TRANSPORT_DELEGATE,
	TRANSPORT_STREAM_IO,
	.readable = stream_readable,
	.writable = socket_writable,
	.failed = stream_failed,
	.recv = lower_recv,
	.send = lower_send,
	.holds_output = lower_holds_output,
	.end_output = lower_end_output,
	.stop = lower_stop,
	.free = websocket_free,
};

void websocket_respond(struct lined_socket *sock, const char *response,
		       size_t len)
{
	const struct iovec piece = {(void *)(uintptr_t)response, len};

	socket_set_transport(sock, &transport_response);
	sock->state = LINED_SOCKET_CONNECTED;
	sock->handshaking = false;
	socket_connected(sock);
	if (stream_sendv(sock, &piece, 1, len) == 0)
		lined_socket_close_after_flush(sock, LINED_CLOSE_LOCAL,
					       RESPONSE_MS);
	else
		socket_end(sock, LINED_CLOSE_ERROR, errno);
}
