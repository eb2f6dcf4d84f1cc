/* SPDX-License-Identifier: MIT */
/*
 * What a protocol sends is cut into lines, each a message, and goes through the
 * send queue as any other output. websocket_encode.c writes the messages.
 */
#include "config.h"

#include "websocket_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "websocket_encode.h"

void websocket_queue(struct lined_socket *sock, const void *bytes, size_t len)
{
	const struct iovec piece = {(void *)(uintptr_t)bytes, len};

	if (send_queue_push(&sock->out, &sock->dispatcher->pool, &piece, 1, len,
			    false) == 0)
		counter_add(&sock->group->counters.queued, len);
}

void websocket_end_partial(struct lined_socket *sock, struct websocket *ws)
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

int websocket_sendv(struct lined_socket *sock, const struct iovec *pieces,
		    size_t count, size_t total)
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

int websocket_send_shared(struct lined_socket *sock,
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
void websocket_flush(struct lined_socket *sock)
{
	websocket_cache_clear(&sock->dispatcher->websockets);
	stream_flush(sock);
}
