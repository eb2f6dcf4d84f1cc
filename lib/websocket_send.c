/* SPDX-License-Identifier: MIT */
/*
 * Cuts the output of a protocol into lines, and queues each as a message.
 * websocket_encode.c writes the messages.
 */
#include "config.h"

#include "websocket_priv.h"

#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "websocket_encode.h"

static int websocket_queuev(struct lined_socket *sock,
			    const struct iovec *pieces, size_t count,
			    size_t total)
{
	if (send_queue_push(&sock->out, &sock->dispatcher->pool, pieces, count,
			    total, false) < 0)
		return -1;
	send_queue_keep(&sock->out);
	counter_add(&sock->group->counters.queued, total);
	return 0;
}

int websocket_queue(struct lined_socket *sock, const void *bytes, size_t len)
{
	const struct iovec piece = {(void *)(uintptr_t)bytes, len};

	return websocket_queuev(sock, &piece, 1, len);
}

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

/* ---- a line without its terminator --------------------------------------- */

/* Sets the length of the partial line, and charges its room. */
static void partial_set_len(struct lined_socket *sock, size_t len)
{
	struct websocket *ws = websocket_of(sock);

	counter_add(&sock->group->counters.queued, len - ws->partial_len);
	ws->partial_len = (uint32_t)len;
	websocket_charge(sock);
}

void websocket_drop_partial(struct lined_socket *sock)
{
	struct websocket *ws = websocket_of(sock);

	if (ws->partial == NULL)
		return;
	free(ws->partial);
	ws->partial = NULL;
	ws->partial_room = 0;
	partial_set_len(sock, 0);
}

int websocket_end_partial(struct lined_socket *sock)
{
	const struct websocket *ws = websocket_of(sock);
	char head[WEBSOCKET_HEAD_MAX];
	struct iovec pieces[] = {{head, 0}, {ws->partial, ws->partial_len}};

	if (ws->partial == NULL)
		return 0;
	pieces[0].iov_len =
		websocket_line_head(head, ws->partial, ws->partial_len);
	if (websocket_queuev(sock, pieces, 2,
			     pieces[0].iov_len + pieces[1].iov_len) < 0)
		return -1;
	websocket_drop_partial(sock);
	return 0;
}

/* Adds the pieces; the room grows by half. -1: nothing was added. */
static int partial_append(struct lined_socket *sock, const struct iovec *pieces,
			  size_t count, size_t total)
{
	struct websocket *ws = websocket_of(sock);
	size_t len = ws->partial_len, room = len + total;
	char *grown;

	if (room > ws->partial_room) {
		room += len / 2;
		grown = room <= UINT32_MAX ? realloc(ws->partial, room) : NULL;
		if (grown == NULL)
			return fail_with(ENOMEM);
		ws->partial = grown;
		ws->partial_room = (uint32_t)room;
	}
	pieces_copy(ws->partial + len, pieces, count);
	partial_set_len(sock, len + total);
	return 0;
}

/* Keeps the last `rest` bytes. */
static void partial_keep(struct lined_socket *sock, size_t rest)
{
	struct websocket *ws = websocket_of(sock);
	char *smaller;

	if (rest == 0) {
		websocket_drop_partial(sock);
		return;
	}
	memmove(ws->partial, ws->partial + ws->partial_len - rest, rest);
	smaller = realloc(ws->partial, rest);
	if (smaller != NULL) {
		ws->partial = smaller;
		ws->partial_room = (uint32_t)rest;
	}
	partial_set_len(sock, rest);
}

static int partial_send_lines(struct lined_socket *sock,
			      struct websocket_cut cut)
{
	const struct websocket *ws = websocket_of(sock);
	struct iovec frames;
	size_t rest;
	int rc;

	frames.iov_base = malloc(
		websocket_encoded_len(cut, ws->partial, ws->partial_len));
	if (frames.iov_base == NULL)
		return -1;
	frames.iov_len = websocket_encode(cut, frames.iov_base, ws->partial,
					  ws->partial_len, &rest);
	rc = stream_sendv(sock, &frames, 1, frames.iov_len);
	/* The rest is kept even if the lines were dropped, because the next
	 * bytes belong to the same line. */
	if (sock->state != LINED_SOCKET_CLOSED)
		partial_keep(sock, rest);
	free(frames.iov_base);
	return rc;
}

/* Sends any number of lines; the first may have begun earlier, the last may be
 * incomplete. */
static int websocket_send_text(struct lined_socket *sock,
			       const struct iovec *pieces, size_t count,
			       size_t total)
{
	struct websocket_cut cut = websocket_cut_of(&sock->framer.framing);
	const struct websocket *ws = websocket_of(sock);
	uint32_t limit = socket_limits(sock)->send_queue;
	size_t before = ws->partial_len;

	if (stream_sendv(sock, NULL, 0, 0) < 0 ||
	    partial_append(sock, pieces, count, total) < 0)
		return -1;
	if (memchr(ws->partial + before, cut.end, total) != NULL &&
	    partial_send_lines(sock, cut) < 0)
		return -1;
	if (limit == 0 || ws->partial_len <= limit)
		return 0;
	socket_end(sock, LINED_CLOSE_SLOW, 0);
	return fail_with(ENOBUFS);
}

/* ---- what a protocol sends ----------------------------------------------- */

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

int websocket_sendv(struct lined_socket *sock, const struct iovec *pieces,
		    size_t count, size_t total)
{
	struct websocket_cut cut = websocket_cut_of(&sock->framer.framing);
	const struct websocket *ws = websocket_of(sock);
	long len;

	if (ws->close_sent || sock->state == LINED_SOCKET_CLOSED)
		return fail_with(EPIPE);
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
	return websocket_send_text(sock, pieces, count, total);
}

int websocket_send_shared(struct lined_socket *sock,
			  struct lined_buffer *buffer, size_t offset,
			  size_t len)
{
	struct websocket_cut cut = websocket_cut_of(&sock->framer.framing);
	const struct websocket *ws = websocket_of(sock);
	struct lined_buffer *frames = NULL;
	struct iovec piece;

	if (ws->partial == NULL && !ws->close_sent && sock->dispatcher != NULL)
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
void websocket_flush(struct lined_socket *sock)
{
	websocket_cache_clear(&sock->dispatcher->websockets);
	stream_flush(sock);
}
