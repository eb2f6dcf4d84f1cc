/* SPDX-License-Identifier: MIT */
/*
 * Reads the input of a stream socket: one read a turn, then handle_read, which
 * takes lines, blocks or bytes. Input that the handler leaves is served again
 * in the next turn, without waiting for the kernel.
 */
#include "config.h"

#include "fail.h"
#include "socket_priv.h"

/* The most lines that one call of handle_read gets, so that a client that
 * floods does not delay the others. */
#define LINES_A_TURN 1024

/* A peer that was kept from sending may have more input on its way until it has
 * sent nothing for this time, which is several round trips. */
#define CATCH_UP_MS 250

static bool stream_is_over(const struct lined_socket *sock)
{
	return sock->eof || sock->error != 0;
}

/* Whether the reader should be called without new bytes. */
bool stream_is_unserved(const struct lined_socket *sock)
{
	if (sock->end_reported)
		return !sock->half_close && !sock->closing;
	return stream_is_over(sock) ||
	       (!sock->needs_more && input_len(&sock->in) > 0) ||
	       transport_holds_input(socket_transport(sock), sock);
}

void socket_read_on(struct lined_socket *sock)
{
	if (sock->state != LINED_SOCKET_CONNECTED &&
	    sock->state != LINED_SOCKET_UDP_BOUND)
		return;
	if (socket_may_read(sock) && !sock->in_read &&
	    socket_transport(sock)->is_unserved(sock) &&
	    !list_is_linked(&sock->ready_link))
		list_append(&sock->dispatcher->ready, &sock->ready_link);
	socket_update_mode(sock);
}

void socket_catch_up(struct lined_socket *sock)
{
	if (sock->slowed)
		return;
	sock->catching_up = true;
	sock->resume_at = socket_now(sock) + CATCH_UP_MS;
}

bool socket_is_catching_up(const struct lined_socket *sock)
{
	uint32_t left_ms = sock->resume_at - socket_now(sock);

	return sock->catching_up && left_ms > 0 && left_ms <= CATCH_UP_MS;
}

/* Adds received bytes to the input. False: handle_input has closed the
 * socket. */
static bool stream_add_input(struct lined_socket *sock, char *bytes, size_t len)
{
	counter_add(&sock->group->counters.bytes_in, len);
	sock->bytes_in += len;
	sock->catching_up = socket_is_catching_up(sock);
	if (sock->catching_up)
		socket_catch_up(sock);
	sock->needs_more = false;
	if (sock->handlers->handle_input != NULL)
		len = sock->handlers->handle_input(sock, sock->arg, bytes, len);
	if (sock->state == LINED_SOCKET_CLOSED) {
		input_clear(&sock->in, socket_read_buffer(sock));
		return false;
	}
	input_received(&sock->in, len);
	return true;
}

/* Reads once. True: bytes, the end of the stream or an error has come. False:
 * nothing has come, or the transport or handle_input has closed the socket. */
static bool stream_fill(struct lined_socket *sock)
{
	size_t size;
	char *to = input_reserve(&sock->in, sock->dispatcher->read_buffer,
				 READ_SIZE, &size);
	ssize_t n;

	if (to == NULL) {
		sock->error = ENOMEM;
		return true;
	}
	if (sock->handlers->handle_input != NULL)
		size -= LINED_INPUT_SPARE;
	n = socket_transport(sock)->recv(sock, to, size);
	if (sock->state == LINED_SOCKET_CLOSED) {
		input_clear(&sock->in, socket_read_buffer(sock));
		return false;
	}
	if (n > 0)
		return stream_add_input(sock, to, (size_t)n);
	if (n == 0)
		sock->eof = true;
	else if (fail_is_for_now(errno))
		return false;
	else
		sock->error = (int16_t)errno;
	return true;
}

/* Lingering close: read and discard. */
static void stream_discard(struct lined_socket *sock)
{
	ssize_t n = recv(sock->delegate.fd, sock->dispatcher->read_buffer,
			 READ_SIZE, 0);

	if (n > 0) {
		counter_add(&sock->group->counters.bytes_in, (uint64_t)n);
		sock->bytes_in += (uint64_t)n;
	}
	if (n == 0 || (n < 0 && !fail_is_for_now(errno)))
		socket_end(sock, sock->reason, sock->error);
}

/* The reader got CLOSED or ERROR. After an error the socket is closed at once.
 * Otherwise it is closed when everything is sent. With half-close, it is closed
 * only if its write side has ended. */
static void stream_finish_reading(struct lined_socket *sock)
{
	if (sock->error != 0 || sock->send_error != 0)
		socket_end(sock, LINED_CLOSE_ERROR,
			   sock->error != 0 ? sock->error : sock->send_error);
	else if (!sock->half_close)
		lined_socket_close_after_flush(sock, LINED_CLOSE_PEER, 0);
	else if (sock->ended)
		socket_end(sock, LINED_CLOSE_PEER, 0);
}

/* Sets line_at, the time at which the current partial line began. While the
 * reader has not looked at all input, the line may be complete. Its deadline
 * does not run then, but line_at is kept until the reader takes the line. */
static void stream_time_line(struct lined_socket *sock)
{
	if (sock->eof ||
	    (input_len(&sock->in) == 0 && sock->framer.state == FRAMER_LINE)) {
		sock->line_begun = sock->in_line = false;
		return;
	}
	if (sock->in_line && sock->needs_more)
		return;
	sock->in_line = sock->needs_more;
	if (!sock->in_line)
		return;
	if (!sock->line_begun)
		sock->line_at = socket_now(sock);
	sock->line_begun = true;
	if (socket_limits(sock)->line_ms > 0)
		socket_arm(sock);
}

void socket_drop_input(struct lined_socket *sock)
{
	sock->in.off = sock->in.end;
	framer_restart(&sock->framer);
	sock->needs_more = true;
	sock->end_reported = stream_is_over(sock);
}

/* Restores the byte that the NUL behind a block has replaced. */
static void socket_restore_byte(struct lined_socket *sock)
{
	if (!sock->byte_saved)
		return;
	sock->byte_saved = false;
	if (sock->in.data != NULL)
		sock->in.data[sock->in.off] = sock->saved_byte;
}

bool socket_run_reader(struct lined_socket *sock)
{
	sock->budget = LINES_A_TURN;
	sock->in_read = true;
	if (sock->handlers->handle_read != NULL)
		sock->handlers->handle_read(sock, sock->arg);
	else
		socket_drop_input(sock);
	sock->in_read = false;
	socket_restore_byte(sock);
	if (sock->state != LINED_SOCKET_CLOSED)
		return true;
	input_clear(&sock->in, socket_read_buffer(sock));
	return false;
}

/* Calls the reader, then keeps the input that is left. */
static void stream_serve_input(struct lined_socket *sock)
{
	if (!socket_run_reader(sock))
		return;
	if (input_settle(&sock->in, socket_read_buffer(sock)) < 0) {
		socket_end(sock, LINED_CLOSE_ERROR, ENOMEM);
		return;
	}
	if (sock->end_reported && !sock->closing) {
		stream_finish_reading(sock);
		if (sock->state == LINED_SOCKET_CLOSED)
			return;
	}
	stream_time_line(sock);
	socket_read_on(sock);
}

static void stream_read_once(struct lined_socket *sock)
{
	if (stream_fill(sock))
		stream_serve_input(sock);
	else if (input_settle(&sock->in, socket_read_buffer(sock)) < 0)
		socket_end(sock, LINED_CLOSE_ERROR, ENOMEM);
}

void stream_readable(struct lined_socket *sock)
{
	if (sock->lingering) {
		stream_discard(sock);
		return;
	}
	if (!socket_may_read(sock) || sock->eof) {
		socket_update_mode(sock);
		return;
	}
	/* Input that is left over is served before more is read; this happens
	 * later in this turn. */
	if (!list_is_linked(&sock->ready_link))
		stream_read_once(sock);
}

void stream_serve(struct lined_socket *sock)
{
	if (!socket_may_read(sock))
		return;
	if (sock->end_reported)
		stream_finish_reading(sock);
	else if (sock->needs_more && !stream_is_over(sock) &&
		 transport_holds_input(socket_transport(sock), sock))
		stream_read_once(sock);
	else
		stream_serve_input(sock);
}

/* ---- what the handler calls ------------------------------------------- */

static bool stream_is_within_rate(struct lined_socket *sock)
{
	const struct lined_limits *limits = socket_limits(sock);
	uint64_t now_ms = sock->dispatcher->now_ms, wait_ms;

	if (limits->line_rate == 0)
		return true;
	wait_ms = lined_rate_wait_ms(socket_rate(sock), limits->line_rate,
				     limits->line_burst, now_ms);
	if (wait_ms == 0)
		return true;
	sock->slowed = true;
	sock->catching_up = false;
	sock->resume_at = (uint32_t)(now_ms + wait_ms);
	counter_add(&sock->group->counters.rate_slowed, 1);
	socket_arm(sock);
	return false;
}

/* READY: the reader may have input now, if there is any. */
static enum lined_line_status stream_read_gate(struct lined_socket *sock)
{
	socket_restore_byte(sock);
	if (sock->state == LINED_SOCKET_CLOSED || sock->closing ||
	    sock->end_reported)
		return LINED_LINE_CLOSED;
	if (sock->dispatcher == NULL || (sock->in_read && sock->budget == 0) ||
	    !socket_may_read(sock))
		return LINED_LINE_PARTIAL;
	if (input_len(&sock->in) > 0 && !stream_is_within_rate(sock))
		return LINED_LINE_PARTIAL;
	return LINED_LINE_READY;
}

static enum lined_line_status stream_took_line(struct lined_socket *sock)
{
	sock->got_line = true;
	sock->line_begun = sock->in_line = false;
	/* An earlier call for a longer block may have set it. */
	sock->needs_more = false;
	sock->active_at = socket_now(sock);
	if (sock->budget > 0)
		sock->budget--;
	if (socket_limits(sock)->line_rate > 0)
		lined_rate_take(socket_rate(sock),
				socket_limits(sock)->line_rate,
				sock->dispatcher->now_ms);
	sock->lines_in++;
	counter_add(&sock->group->counters.lines_in, 1);
	return LINED_LINE_READY;
}

static enum lined_line_status stream_report_too_long(struct lined_socket *sock)
{
	stream_took_line(sock);
	counter_add(&sock->group->counters.too_long, 1);
	if (sock->framer.framing.too_long == LINED_TOO_LONG_CLOSE)
		lined_socket_close_after_flush(sock, LINED_CLOSE_TOO_LONG, 0);
	return LINED_LINE_TOO_LONG;
}

/* Reports the end of the stream, or its error. */
static enum lined_line_status stream_report_end(struct lined_socket *sock)
{
	sock->end_reported = true;
	if (!sock->in_read)
		socket_read_on(sock);
	if (sock->error == 0)
		return LINED_LINE_CLOSED;
	errno = sock->error;
	return LINED_LINE_ERROR;
}

static enum lined_line_status stream_need_more(struct lined_socket *sock)
{
	if (stream_is_over(sock))
		return stream_report_end(sock);
	/* During handle_read the memory is freed after the handler returns. */
	if (!sock->in_read && input_len(&sock->in) == 0)
		socket_clear_input(sock);
	sock->needs_more = true;
	return LINED_LINE_PARTIAL;
}

static enum lined_line_status stream_read_rest(struct lined_socket *sock,
					       struct lined_line *line)
{
	struct lined_counters *counters = &sock->group->counters;
	bool deliver =
		sock->framer.framing.unterminated == LINED_UNTERMINATED_DELIVER;
	uint64_t dropped = 0;
	enum framer_result result;

	if (sock->in.data == NULL)
		return stream_report_end(sock);
	result = framer_end(&sock->framer, &sock->in, line, deliver, &dropped);
	counter_add(&counters->unterminated, dropped);
	if (result == FRAMER_READY)
		return stream_took_line(sock);
	if (result == FRAMER_TOO_LONG)
		return stream_report_too_long(sock);
	return stream_report_end(sock);
}

enum lined_line_status stream_read_line(struct lined_socket *sock,
					struct lined_line *line)
{
	enum lined_line_status status = stream_read_gate(sock);
	enum framer_result result = FRAMER_NEED_MORE;
	uint64_t bare_lf = 0;

	if (status != LINED_LINE_READY)
		return status;
	if (sock->in.data != NULL) {
		result = framer_next(&sock->framer, &sock->in, line, &bare_lf);
		if (bare_lf > 0)
			counter_add(&sock->group->counters.bare_lf, bare_lf);
	}
	if (result == FRAMER_READY)
		return stream_took_line(sock);
	if (result == FRAMER_TOO_LONG)
		return stream_report_too_long(sock);
	if (stream_is_over(sock))
		return stream_read_rest(sock, line);
	return stream_need_more(sock);
}

/* Gives the next len bytes as a block. */
static enum lined_line_status stream_take(struct lined_socket *sock, size_t len,
					  struct lined_line *line)
{
	char *at;

	*line = (struct lined_line){
		.text = sock->in.data + sock->in.off,
		.len = len,
		.terminator = "",
	};
	sock->in.off += (uint32_t)len;
	sock->framer.scanned = 0;
	/* Writes a NUL behind a block. The byte in its place may be unread
	 * input, and is saved. */
	at = sock->in.data + sock->in.off;
	if (sock->in.off < sock->in.end) {
		sock->saved_byte = *at;
		sock->byte_saved = true;
	}
	*at = '\0';
	return stream_took_line(sock);
}

/* Discards the rest of a line over the limit. False: its end has not come. */
static bool stream_skip_long_line(struct lined_socket *sock)
{
	uint64_t bare_lf = 0;

	if (sock->in.data == NULL)
		return sock->framer.state == FRAMER_LINE;
	return framer_finish(&sock->framer, &sock->in, &bare_lf);
}

enum lined_line_status stream_read_block(struct lined_socket *sock, size_t len,
					 size_t max_len,
					 struct lined_line *line)
{
	enum lined_line_status status = stream_read_gate(sock);
	size_t have;

	if (status != LINED_LINE_READY)
		return status;
	if (len == 0 || len > max_len) {
		errno = len == 0 ? EINVAL : EMSGSIZE;
		return LINED_LINE_ERROR;
	}
	if (!stream_skip_long_line(sock))
		return stream_need_more(sock);
	have = input_len(&sock->in);
	if (have >= len)
		return stream_take(sock, len, line);
	if (!stream_is_over(sock) || have == 0)
		return stream_need_more(sock);
	if (sock->framer.framing.unterminated == LINED_UNTERMINATED_DROP) {
		sock->in.off = sock->in.end;
		counter_add(&sock->group->counters.unterminated, 1);
		return stream_report_end(sock);
	}
	stream_take(sock, have, line);
	line->unterminated = true;
	return LINED_LINE_READY;
}

enum lined_line_status stream_read(struct lined_socket *sock,
				   struct lined_line *data)
{
	enum lined_line_status status = stream_read_gate(sock);

	if (status != LINED_LINE_READY)
		return status;
	if (!stream_skip_long_line(sock) || input_len(&sock->in) == 0)
		return stream_need_more(sock);
	return stream_take(sock, input_len(&sock->in), data);
}

enum lined_line_status lined_socket_read_line(struct lined_socket *sock,
					      struct lined_line *line)
{
	enum lined_line_status status;

	status = socket_transport(sock)->read_line(sock, line);
	if (status == LINED_LINE_READY) {
		if (line->truncated)
			counter_add(&sock->group->counters.truncated, 1);
		if (sock->group->tap != NULL)
			sock->group->tap(sock, line);
	}
	return status;
}

enum lined_line_status lined_socket_read_block(struct lined_socket *sock,
					       size_t len, size_t max_len,
					       struct lined_line *line)
{
	return socket_transport(sock)->read_block(sock, len, max_len, line);
}

enum lined_line_status lined_socket_read(struct lined_socket *sock,
					 struct lined_line *data)
{
	return socket_transport(sock)->read(sock, data);
}

void lined_socket_set_framing(struct lined_socket *sock,
			      const struct lined_framing *framing)
{
	framer_set(&sock->framer, framing);
	sock->needs_more = false;
	if (!sock->in_read && sock->dispatcher != NULL)
		socket_read_on(sock);
}
