/* SPDX-License-Identifier: MIT */
/*
 * Sends the output of a stream socket: sends are queued during the turn and
 * leave at its end in one gathering write. The overflow policy and the water
 * marks are here; the memory of a queue is in send_queue.c.
 */
#include "config.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer_priv.h"
#include "fail.h"
#include "socket_priv.h"

#define VECTOR 64

/* The room on the stack; a longer text is formatted in allocated memory. */
#define PRINTF_ROOM 1024

void socket_mark_dirty(struct lined_socket *sock)
{
	if (sock->dispatcher != NULL && !list_is_linked(&sock->dirty_link))
		list_append(&sock->dispatcher->dirty, &sock->dirty_link);
}

/* An unlimited queue has the water marks of the default limit. */
static size_t socket_mark_base(const struct lined_socket *sock)
{
	uint32_t limit = socket_limits(sock)->send_queue;

	return limit > 0 ? limit : LINED_SEND_QUEUE_DEFAULT;
}

bool socket_is_low(const struct lined_socket *sock)
{
	return lined_socket_queued(sock) <= socket_mark_base(sock) / 8;
}

size_t stream_queued(const struct lined_socket *sock)
{
	return sock->out.bytes;
}

size_t lined_socket_queued(const struct lined_socket *sock)
{
	return socket_transport(sock)->queued(sock);
}

/* ---- flushing --------------------------------------------------------- */

static ssize_t stream_write(struct lined_socket *sock, size_t *wanted)
{
	struct iovec vector[VECTOR];
	int n = send_queue_peek(&sock->out, vector, VECTOR), i;

	*wanted = 0;
	for (i = 0; i < n; i++)
		*wanted += vector[i].iov_len;
	return socket_transport(sock)->send(sock, vector, n);
}

void socket_note_written(struct lined_socket *sock, size_t bytes)
{
	send_queue_advance(&sock->out, &sock->dispatcher->pool, bytes);
	counter_add(&sock->group->counters.bytes_out, bytes);
	counter_add(&sock->group->counters.queued, -bytes);
	sock->bytes_out += bytes;
	sock->active_at = sock->stalled_at = socket_now(sock);
}

/* The write has failed: closes the socket. But if the peer has gone (EPIPE,
 * ECONNRESET) and input may still be read, the reader gets the input that the
 * peer sent before, and then the error. */
static void stream_send_failed(struct lined_socket *sock, int error)
{
	sock->blocked = sock->throttled = false;
	if ((error != EPIPE && error != ECONNRESET) || sock->end_reported ||
	    !socket_may_read(sock)) {
		socket_end(sock, LINED_CLOSE_ERROR, error);
		return;
	}
	counter_add(&sock->group->counters.queued, -(uint64_t)sock->out.bytes);
	send_queue_clear(&sock->out, &sock->dispatcher->pool);
	sock->send_error = (int16_t)error;
	sock->ended = true;
	socket_read_on(sock);
}

/* Writes until the queue is empty or the kernel takes no more. -1: the write
 * side has failed. */
static int stream_write_queue(struct lined_socket *sock)
{
	size_t wanted;
	ssize_t n;

	sock->blocked = false;
	while (!send_queue_is_empty(&sock->out) ||
	       socket_held_output(sock) > 0) {
		n = stream_write(sock, &wanted);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
			stream_send_failed(sock, errno);
			return -1;
		}
		if (n > 0)
			socket_note_written(sock, (size_t)n);
		/* After a short write the next write would give EAGAIN. */
		if (n < 0 || (size_t)n < wanted ||
		    socket_held_output(sock) > 0) {
			sock->blocked = true;
			break;
		}
	}
	if (sock->blocked)
		socket_stalls(sock);
	return 0;
}

void socket_send_early(struct list *dirty_link)
{
	struct lined_socket *sock =
		list_entry(dirty_link, struct lined_socket, dirty_link);

	if (sock->state == LINED_SOCKET_CONNECTED && !sock->blocked)
		stream_write_queue(sock);
}

void stream_flush(struct lined_socket *sock)
{
	if (sock->state != LINED_SOCKET_CONNECTED)
		return;
	if (!sock->blocked && stream_write_queue(sock) < 0)
		return;
	if (sock->throttled && socket_is_low(sock)) {
		sock->throttled = false;
		socket_read_on(sock);
	} else {
		socket_update_mode(sock);
	}
	if (sock->state == LINED_SOCKET_CONNECTED &&
	    send_queue_is_empty(&sock->out) && socket_held_output(sock) == 0)
		socket_flushed(sock);
}

/* ---- queueing --------------------------------------------------------- */

static int stream_may_send(const struct lined_socket *sock)
{
	if (sock->dispatcher == NULL)
		return fail_with(ENOTCONN);
	if (sock->state == LINED_SOCKET_CLOSED)
		return fail_with(EPIPE);
	if (sock->state != LINED_SOCKET_CONNECTING &&
	    sock->state != LINED_SOCKET_CONNECTED)
		return fail_with(ENOTCONN);
	return sock->ending || sock->ended ? fail_with(EPIPE) : 0;
}

/* Whether a send may share a segment with the one before it: not if sends are
 * dropped one by one. */
static bool stream_may_join(const struct lined_socket *sock)
{
	return sock->overflow != LINED_OVERFLOW_DROP_OLDEST && !sock->apart;
}

/* Returns how much of the limit the queue uses. If sends are joined, only their
 * bytes count, because the memory of the queue is in proportion to them.
 * Otherwise each segment has a cost, too: send_queue_cost(). */
static size_t stream_cost(const struct lined_socket *sock)
{
	return stream_may_join(sock) ? sock->out.bytes
				     : send_queue_cost(&sock->out);
}

static bool stream_fits(const struct lined_socket *sock, size_t len)
{
	uint32_t limit = socket_limits(sock)->send_queue;

	return limit == 0 || (len <= limit && stream_cost(sock) <= limit - len);
}

static void stream_count_dropped(struct lined_socket *sock, unsigned n)
{
	sock->dropped += n;
	counter_add(&sock->group->counters.sends_dropped, n);
}

/* Drops the oldest sends until the queue costs at most `cost`. False: the sends
 * that must not be dropped cost more. */
static bool stream_drop_oldest(struct lined_socket *sock, size_t cost)
{
	size_t before = sock->out.bytes;

	stream_count_dropped(
		sock, send_queue_drop_oldest(&sock->out,
					     &sock->dispatcher->pool, cost));
	counter_add(&sock->group->counters.queued, sock->out.bytes - before);
	return send_queue_cost(&sock->out) <= cost;
}

/* Makes room for len bytes by the overflow policy. -1 and errno: nothing may be
 * sent, or there is no room. */
static int stream_make_room(struct lined_socket *sock, size_t len)
{
	uint32_t limit;

	if (stream_may_send(sock) < 0)
		return -1;
	if (len == 0 || stream_fits(sock, len))
		return 0;
	/* Much output in one turn is no sign of a slow reader: write as much as
	 * the kernel takes before the policy acts. */
	if (sock->state == LINED_SOCKET_CONNECTED && !sock->blocked) {
		if (stream_write_queue(sock) < 0)
			return fail_with(EPIPE);
		socket_mark_dirty(sock);
		if (stream_fits(sock, len))
			return 0;
	}
	if (sock->overflow == LINED_OVERFLOW_CLOSE) {
		socket_end(sock, LINED_CLOSE_SLOW, 0);
		return fail_with(ENOBUFS);
	}
	limit = socket_limits(sock)->send_queue;
	if (sock->overflow == LINED_OVERFLOW_DROP_OLDEST && len <= limit &&
	    stream_drop_oldest(sock, limit - len))
		return 0;
	stream_count_dropped(sock, 1);
	return fail_with(ENOBUFS);
}

static void stream_note_queued(struct lined_socket *sock, size_t len)
{
	struct lined_counters *counters = &sock->group->counters;

	counter_add(&counters->sends, 1);
	counter_add(&counters->queued, len);
	send_queue_stamp(&sock->out, socket_now(sock));
	counter_most(&counters->queue_most, sock->out.bytes);
	if (sock->out.bytes > socket_mark_base(sock) / 4)
		sock->throttled = true;
	if (!sock->blocked)
		socket_mark_dirty(sock);
	if (memory_is_due(&sock->dispatcher->pool.memory))
		memory_check(sock->dispatcher);
}

int stream_sendv(struct lined_socket *sock, const struct iovec *pieces,
		 size_t count, size_t total)
{
	if (stream_make_room(sock, total) < 0)
		return -1;
	if (total == 0)
		return 0;
	if (send_queue_push(&sock->out, &sock->dispatcher->pool, pieces, count,
			    total, stream_may_join(sock)) < 0)
		return -1;
	stream_note_queued(sock, total);
	return 0;
}

int stream_send_shared(struct lined_socket *sock, struct lined_buffer *buffer,
		       size_t offset, size_t len)
{
	if (stream_make_room(sock, len) < 0)
		return -1;
	if (len == 0)
		return 0;
	if (send_queue_push_shared(&sock->out, &sock->dispatcher->pool, buffer,
				   offset, len, stream_may_join(sock)) < 0)
		return -1;
	stream_note_queued(sock, len);
	return 0;
}

int lined_socket_sendv(struct lined_socket *sock, const struct iovec *pieces,
		       size_t count)
{
	size_t total = 0, i;

	for (i = 0; i < count; i++) {
		if (pieces[i].iov_len > SIZE_MAX - total)
			return fail_with(EMSGSIZE);
		total += pieces[i].iov_len;
	}
	return socket_transport(sock)->sendv(sock, pieces, count, total);
}

int lined_socket_send(struct lined_socket *sock, const void *data, size_t len)
{
	const struct iovec piece = {(void *)(uintptr_t)data, len};

	return lined_socket_sendv(sock, &piece, 1);
}

int lined_socket_printf(struct lined_socket *sock, const char *format, ...)
{
	char room[PRINTF_ROOM], *text;
	va_list arguments;
	int len, rc;

	va_start(arguments, format);
	len = vsnprintf(room, sizeof(room), format, arguments);
	va_end(arguments);
	if (len < 0)
		return -1;
	if (len < (int)sizeof(room))
		return lined_socket_send(sock, room, (size_t)len);
	va_start(arguments, format);
	len = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (len < 0)
		return -1;
	rc = lined_socket_send(sock, text, (size_t)len);
	free(text);
	return rc;
}

int lined_socket_send_line(struct lined_socket *sock,
			   const struct lined_line *line)
{
	const struct iovec pieces[] = {
		{(void *)(uintptr_t)line->text, line->len},
		{(void *)(uintptr_t)line->terminator, line->terminator_len},
	};

	return lined_socket_sendv(sock, pieces, 2);
}

int lined_socket_send_shared(struct lined_socket *sock,
			     struct lined_buffer *buffer, size_t offset,
			     size_t len)
{
	const struct transport *transport = socket_transport(sock);

	if (offset > buffer->len || len > buffer->len - offset)
		return fail_with(EINVAL);
	if (transport->send_shared == NULL)
		return lined_socket_send(sock, buffer->data + offset, len);
	return transport->send_shared(sock, buffer, offset, len);
}

void lined_socket_want_write(struct lined_socket *sock, bool want)
{
	sock->want_write = want;
	socket_update_mode(sock);
}

void lined_socket_set_overflow(struct lined_socket *sock,
			       enum lined_overflow overflow)
{
	sock->overflow = (uint8_t)overflow;
}

void lined_socket_keep_apart(struct lined_socket *sock, bool apart)
{
	sock->apart = apart;
}

uint32_t lined_socket_drop_older(struct lined_socket *sock, uint32_t age_ms)
{
	size_t before = sock->out.bytes;
	unsigned dropped;

	if (!sock->apart || sock->dispatcher == NULL ||
	    sock->state == LINED_SOCKET_CLOSED || before == 0)
		return 0;
	dropped = send_queue_drop_before(&sock->out, &sock->dispatcher->pool,
					 socket_now(sock) - age_ms);
	stream_count_dropped(sock, dropped);
	counter_add(&sock->group->counters.queued, sock->out.bytes - before);
	return dropped;
}

uint32_t lined_socket_take_dropped(struct lined_socket *sock)
{
	uint32_t dropped = sock->dropped;

	sock->dropped = 0;
	return dropped;
}

size_t lined_socket_room(const struct lined_socket *sock)
{
	uint32_t limit =
		sock->group != NULL ? socket_limits(sock)->send_queue : 0;
	size_t cost = lined_socket_is_datagram(sock) ? lined_socket_queued(sock)
						     : stream_cost(sock);

	if (limit == 0)
		return SIZE_MAX;
	return cost < limit ? limit - cost : 0;
}

bool lined_socket_is_send_data_buffered(const struct lined_socket *sock)
{
	return lined_socket_queued(sock) > 0;
}
