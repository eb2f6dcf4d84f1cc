/* SPDX-License-Identifier: MIT */
/*
 * Moves the bytes of a WebSocket after the upgrade (websocket_upgrade.c), over
 * a plain stream or TLS. Data frames are decoded in the buffer that they were
 * read into, and pieces of a message are passed on as they come: neither frames
 * nor messages need a buffer of their own. websocket_send.c has the output,
 * except control frames.
 */
#include "config.h"

#include "websocket_priv.h"

#include <stdlib.h>
#include <string.h>

#include "fail.h"

/* The answers to the pings of one read leave in writes of this size. */
#define PONGS_SIZE 4096

/* ---- control frames ------------------------------------------------------ */

static size_t websocket_control(char *frame, enum websocket_opcode opcode,
				const void *payload, size_t len)
{
	size_t head = websocket_head(frame, opcode, len);

	memcpy(frame + head, payload, len);
	return head + len;
}

/* Sends without the queue, and counts the bytes that the kernel takes. As
 * send(2). */
static ssize_t websocket_send_now(struct lined_socket *sock, const char *bytes,
				  size_t len)
{
	const struct iovec piece = {(void *)(uintptr_t)bytes, len};
	ssize_t n = websocket_lower_send(sock, &piece, 1);

	if (n > 0) {
		counter_add(&sock->group->counters.bytes_out, (uint64_t)n);
		sock->bytes_out += (uint64_t)n;
	}
	return n;
}

/*
 * Writes as much as the kernel takes and queues the rest. False: nothing was
 * written, because other output is queued or the kernel takes nothing. Bytes
 * that bypass the queue do not count for idle-timeout, so pings and the answers
 * to pings do not keep a client connected.
 */
static bool websocket_write(struct lined_socket *sock, const char *bytes,
			    size_t len)
{
	ssize_t n;

	if (!send_queue_is_empty(&sock->out) ||
	    websocket_lower_held_output(sock) > 0)
		return false;
	n = websocket_send_now(sock, bytes, len);
	socket_mark_dirty(sock);
	if (n <= 0)
		return false;
	if ((size_t)n < len) {
		/* The rest of a frame that was written in part must come next,
		 * and cannot be dropped. */
		sock->out.begun = true;
		if (websocket_queue(sock, bytes + n, len - (size_t)n) < 0)
			socket_end(sock, LINED_CLOSE_ERROR, ENOMEM);
	}
	return true;
}

struct pongs {
	struct lined_socket *sock;
	size_t len;
	char bytes[PONGS_SIZE];
};

/* Sends the collected pongs, unless a closing frame was sent. May close the
 * socket. The buffer is empty afterwards. */
static void pongs_send(struct pongs *pongs)
{
	const struct iovec piece = {pongs->bytes, pongs->len};

	pongs->len = 0;
	if (piece.iov_len == 0 || websocket_of(pongs->sock)->close_sent)
		return;
	if (!websocket_write(pongs->sock, pongs->bytes, piece.iov_len))
		stream_sendv(pongs->sock, &piece, 1, piece.iov_len);
}

static void pongs_add(void *arg, const unsigned char *payload, size_t len)
{
	struct pongs *pongs = arg;

	if (pongs->len > PONGS_SIZE - WEBSOCKET_HEAD_MAX - len)
		pongs_send(pongs);
	pongs->len += websocket_control(pongs->bytes + pongs->len,
					WEBSOCKET_PONG, payload, len);
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

	if (ws->close_sent)
		return websocket_lower_end_output(sock);
	ws->close_sent = true;
	/* A peer that has ended without a closing frame does not wait for
	 * one. */
	if (sock->eof && !ws->in.closed)
		return websocket_lower_end_output(sock);
	if (websocket_end_partial(sock) < 0 ||
	    websocket_queue(sock, frame, websocket_close_frame(sock, frame)) <
		    0)
		socket_end(sock, LINED_CLOSE_ERROR, ENOMEM);
	return true;
}

/* The socket closes at once: sends a closing frame, unless a frame is half
 * sent. */
static void websocket_stop(struct lined_socket *sock)
{
	struct websocket *ws = websocket_of(sock);
	char frame[WEBSOCKET_HEAD_MAX + 2];

	if (sock->dispatcher != NULL && !ws->close_sent && !sock->ended &&
	    !sock->out.begun && websocket_lower_held_output(sock) == 0)
		websocket_send_now(sock, frame,
				   websocket_close_frame(sock, frame));
	ws->close_sent = true;
	websocket_drop_bytes(sock);
	websocket_drop_partial(sock);
	websocket_lower_stop(sock);
}

static size_t websocket_memory(const struct lined_socket *sock)
{
	const struct websocket *ws = websocket_of(sock);

	return ws->charged +
	       (ws->lower->memory != NULL ? ws->lower->memory(sock) : 0);
}

/* Whether the peer has yet to answer the closing frame. */
static bool websocket_is_answered(const struct lined_socket *sock)
{
	return !websocket_of(sock)->in.closed;
}

/* ---- pings --------------------------------------------------------------- */

uint32_t websocket_ping_ms(const struct lined_socket *sock)
{
	return websocket_of(sock)->ping_ms;
}

static bool websocket_wakes(const struct lined_socket *sock, uint32_t *at)
{
	const struct websocket *ws = websocket_of(sock);

	*at = ws->ping_at;
	/* A peer that has ended its side cannot answer. */
	return ws->ping_ms > 0 && !sock->eof;
}

/* Whether there may be a pong that was not read. */
static bool websocket_is_unread(const struct lined_socket *sock)
{
	return !socket_may_read(sock) || websocket_lower_holds_input(sock) ||
	       fd_has_unread(sock->delegate.fd);
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
	/* The write side is about to end: the queue and a closing frame are
	 * still sent, but no ping. */
	if (sock->ending && !ws->close_sent)
		return;
	if (!ws->awaits_pong && !ws->close_sent) {
		char frame[WEBSOCKET_HEAD_MAX];
		size_t len = websocket_head(frame, WEBSOCKET_PING, 0);

		/* Without memory, the next wake tries again: a peer that got
		 * no ping cannot answer. */
		if (!websocket_write(sock, frame, len) &&
		    websocket_queue(sock, frame, len) < 0)
			return;
	}
	ws->awaits_pong = true;
}

/* ---- input --------------------------------------------------------------- */

/* Returns the bytes that came with the request, then what the transport below
 * reads. As recv(2). */
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
	if (ws->bytes_len == 0)
		websocket_drop_bytes(sock);
	return (ssize_t)len;
}

static bool websocket_holds_input(const struct lined_socket *sock)
{
	const struct websocket *ws = websocket_of(sock);

	return ws->bytes != NULL || ws->in.closed || ws->in.failed ||
	       websocket_lower_holds_input(sock);
}

/* The result of recv() when no data was decoded: the peer has closed, the
 * decoder has failed, the socket was closed while a pong was sent, or there is
 * no input. */
static ssize_t websocket_no_input(struct lined_socket *sock,
				  const struct websocket *ws)
{
	if (ws->in.closed)
		return 0;
	if (ws->in.failed && sock->state != LINED_SOCKET_CLOSED) {
		lined_socket_close_after_flush(sock, LINED_CLOSE_ERROR, 0);
		/* The decoder reports a lack of memory in this way. */
		sock->error = ws->in.code == WEBSOCKET_ERROR ? ENOMEM : EPROTO;
	}
	return fail_with(EAGAIN);
}

static ssize_t websocket_recv(struct lined_socket *sock, char *to, size_t size)
{
	struct websocket *ws = websocket_of(sock);
	const char *terminator;
	size_t terminator_len =
		lined_framing_terminator(&sock->framer.framing, &terminator);
	char *from = to + WEBSOCKET_SLACK;
	struct pongs pongs;
	size_t got = 0;
	ssize_t n;

	pongs.sock = sock;
	pongs.len = 0;
	while (got == 0 && !ws->in.closed && !ws->in.failed) {
		n = websocket_read(sock, ws, from, size - WEBSOCKET_SLACK);
		/* No closing frame: as with TLS, the last line may be cut. */
		if (n == 0)
			sock->framer.framing.unterminated =
				LINED_UNTERMINATED_DROP;
		if (n <= 0)
			return n;
		got = websocket_decode(&ws->in, to, from, (size_t)n, terminator,
				       terminator_len, pongs_add, &pongs);
		pongs_send(&pongs);
		if (ws->in.ponged)
			ws->awaits_pong = ws->in.ponged = false;
		if (sock->state != LINED_SOCKET_CONNECTED ||
		    (ws->bytes == NULL && !websocket_lower_holds_input(sock)))
			break;
	}
	return got > 0 ? (ssize_t)got : websocket_no_input(sock, ws);
}

const struct transport transport_websocket = {
	.delegate = TRANSPORT_DELEGATE,
	TRANSPORT_STREAM_INPUT,
	.sendv = websocket_sendv,
	.send_shared = websocket_send_shared,
	.flush = websocket_flush,
	TRANSPORT_STREAM_EVENTS,
	.recv = websocket_recv,
	.send = websocket_lower_send,
	.holds_input = websocket_holds_input,
	.held_output = websocket_lower_held_output,
	.end_output = websocket_end_output,
	.is_answered = websocket_is_answered,
	.wakes = websocket_wakes,
	.wake = websocket_wake,
	.memory = websocket_memory,
	.stop = websocket_stop,
	.free = websocket_free,
};
