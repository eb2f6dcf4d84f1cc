/* SPDX-License-Identifier: MIT */
/*
 * The connection to an upstream: sends its preamble and the lines of clients,
 * as far as there is room, passes its lines to intake.c, and closes it when it
 * is stale. upstreams.c decides which upstream feeds.
 */
#include "relay/upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/intake.h"
#include "relay/relay.h"

/* While a worker lags, the upstream is paused, and the lag is checked at this
 * interval. */
#define LAG_MS 5

/* No own limit: the drain timeout bounds how long the last lines may take. */
#define FINISH_MS INT32_MAX

static uint64_t upstream_now_ms(const struct relay_upstream *upstream)
{
	return lined_dispatcher_now_ms(
		lined_service_dispatcher(upstream->relay->service));
}

void relay_upstream_start_timer(const struct relay *relay,
				struct lined_timer *timer, uint64_t delay_ms)
{
	if (lined_timer_start(timer, delay_ms, 0) < 0)
		lined_service_log(relay->service, LINED_LOG_ERR,
				  "upstream: no timer: out of memory");
}

/* ---- being stale, and waiting for workers ------------------------------- */

static void upstream_watch_stale(struct relay_upstream *upstream)
{
	int64_t stale_ms = upstream->relay->options->stale_timeout_ms;

	upstream->line_ms = upstream_now_ms(upstream);
	if (stale_ms > 0)
		relay_upstream_start_timer(upstream->relay, &upstream->stale,
					   (uint64_t)stale_ms);
	else
		lined_timer_stop(&upstream->stale);
}

static void upstream_stale_fired(struct lined_timer *timer)
{
	struct relay_upstream *upstream =
		lined_container_of(timer, struct relay_upstream, stale);
	uint64_t due_ms = upstream->line_ms +
			  (uint64_t)upstream->relay->options->stale_timeout_ms;
	uint64_t now_ms = upstream_now_ms(upstream);

	if (lined_socket_is_paused(upstream->sock))
		upstream_watch_stale(upstream);
	else if (now_ms < due_ms)
		relay_upstream_start_timer(upstream->relay, timer,
					   due_ms - now_ms);
	else
		lined_socket_close_for(upstream->sock, LINED_CLOSE_TIMEOUT,
				       ETIMEDOUT);
}

static void upstream_lag_fired(struct lined_timer *timer)
{
	struct relay_upstream *upstream =
		lined_container_of(timer, struct relay_upstream, lag);

	if (lined_bus_is_lagging(upstream->relay->service))
		relay_upstream_start_timer(upstream->relay, timer, LAG_MS);
	else
		lined_socket_resume(upstream->sock);
}

/* Pauses the upstream while a worker lags. For clients the core does this. */
static void upstream_wait_for_workers(struct relay_upstream *upstream)
{
	if (lined_bus_is_lagging(upstream->relay->service) &&
	    lined_timer_start(&upstream->lag, LAG_MS, 0) == 0)
		lined_socket_pause(upstream->sock);
}

void relay_upstream_feed(struct relay_upstream *upstream)
{
	upstream_watch_stale(upstream);
	if (!lined_timer_is_armed(&upstream->lag))
		lined_socket_resume(upstream->sock);
}

/* ---- lines from it ------------------------------------------------------ */

static size_t upstream_tag_len(const struct relay_upstream *upstream)
{
	return upstream->relay->options->tag ? upstream->tag_len : 0;
}

static void upstream_delivered(struct relay_upstream *upstream, uint64_t lines)
{
	lined_service_count(upstream->relay->service, "upstream_lines", lines);
	upstream->delivered = true;
	upstream->line_ms = upstream_now_ms(upstream);
	upstream->handlers->handle_lines(upstream);
}

bool relay_upstream_is_between_lines(const struct relay_upstream *upstream)
{
	return lined_socket_is_quiet(upstream->sock) &&
	       !lined_socket_is_within_line(upstream->sock);
}

/* Reads at most one line. True: the stream is between two lines. */
static bool upstream_read_to_line_end(struct relay_upstream *upstream)
{
	enum lined_line_status status;
	struct lined_line line;

	do
		status = lined_socket_read_line(upstream->sock, &line);
	while (status == LINED_LINE_TOO_LONG);
	if (status != LINED_LINE_READY)
		return status == LINED_LINE_PARTIAL &&
		       !lined_socket_is_within_line(upstream->sock);
	relay_intake_line(upstream->relay, upstream->tag,
			  upstream_tag_len(upstream), 0, &line);
	relay_intake_publish(upstream->relay, 0);
	upstream_delivered(upstream, 1);
	return true;
}

static void upstream_on_read(struct lined_socket *sock, void *arg)
{
	struct relay_upstream *upstream = arg;
	const struct lined_counters *counters =
		&lined_service_group(upstream->relay->service)->counters;
	uint64_t too_long = counters->too_long;
	uint64_t lines = counters->lines_in - too_long;
	enum lined_line_status status;

	if (upstream->leaving && lined_socket_queued(sock) == 0 &&
	    upstream_read_to_line_end(upstream) &&
	    upstream->handlers->handle_line_end(upstream))
		return;
	status = relay_intake_read(upstream->relay, sock, upstream->tag,
				   upstream_tag_len(upstream), 0);
	lines = counters->lines_in - counters->too_long - lines;
	if (lines > 0)
		upstream_delivered(upstream, lines);
	/* The end of its stream closes the connection, even if the upstream has
	 * not taken all queued lines. */
	if (status == LINED_LINE_CLOSED)
		lined_socket_close_for(sock,
				       counters->too_long > too_long
					       ? LINED_CLOSE_TOO_LONG
					       : LINED_CLOSE_PEER,
				       0);
	else if (status == LINED_LINE_PARTIAL)
		upstream_wait_for_workers(upstream);
}

/* ---- lines to it -------------------------------------------------------- */

/* Sends the preamble; its lines end as the service's framing says. -1 and
 * errno. */
static int upstream_send_preamble(const struct relay_upstream *upstream)
{
	const struct lined_option_list *preamble =
		&upstream->relay->options->preamble;
	const char *end;
	size_t i, end_len = lined_framing_terminator(
			  lined_socket_framing(upstream->sock), &end);

	for (i = 0; i < preamble->count; i++) {
		struct lined_line line = {
			.text = preamble->items[i],
			.len = strlen(preamble->items[i]),
			.terminator = end,
			.terminator_len = end_len,
		};

		if (lined_socket_send_line(upstream->sock, &line) < 0)
			return -1;
	}
	return 0;
}

/*
 * Above the high mark, a quarter of the queue, the core stops reading: an
 * upstream that does not read would stop its own feed. So the queue is four
 * times as long as configured, and filled to the high mark only, which is the
 * configured size.
 */
void relay_upstream_set_limits(struct relay *relay)
{
	struct lined_limits *limits =
		&lined_service_group(relay->service)->limits;
	uint32_t queue = limits->send_queue > 0 ? limits->send_queue
						: LINED_SEND_QUEUE_DEFAULT;

	limits->send_queue = queue < UINT32_MAX / 4 ? queue * 4 : UINT32_MAX;
}

static size_t upstream_room(const struct relay_upstream *upstream)
{
	size_t mark = lined_socket_group(upstream->sock)->limits.send_queue / 4;
	size_t queued = lined_socket_queued(upstream->sock);

	return queued < mark ? mark - queued : 0;
}

/* Sends line by line until one does not fit. A line that can never fit is sent
 * when the queue is empty. */
static uint32_t upstream_send_lines(struct relay_upstream *upstream,
				    const struct relay_message *message)
{
	size_t offset = message->bytes_at;
	uint32_t i;

	for (i = 0; i < message->count; i++) {
		size_t len = relay_message_line_len(message, i);

		if ((len > upstream_room(upstream) &&
		     lined_socket_queued(upstream->sock) > 0) ||
		    lined_socket_send_shared(upstream->sock, message->buffer,
					     offset, len) < 0)
			break;
		offset += len;
	}
	return i;
}

uint32_t relay_upstream_send(struct relay_upstream *upstream,
			     const struct relay_message *message)
{
	if (message->bytes > upstream_room(upstream))
		return upstream_send_lines(upstream, message);
	return lined_socket_send_shared(upstream->sock, message->buffer,
					message->bytes_at, message->bytes) == 0
		       ? message->count
		       : 0;
}

/* ---- the connection ----------------------------------------------------- */

static void upstream_disconnected(struct relay_upstream *upstream)
{
	lined_timer_stop(&upstream->stale);
	lined_timer_stop(&upstream->lag);
	upstream->sock = NULL;
	upstream->connected = false;
}

static void upstream_on_connect(struct lined_socket *sock, void *arg)
{
	struct relay_upstream *upstream = arg;
	struct lined_service *service = upstream->relay->service;

	if (!relay_address_connected(sock))
		return;
	upstream->connected = true;
	upstream->connected_ms = upstream_now_ms(upstream);
	lined_service_count(service, "upstream_connects", 1);
	lined_service_log(service, LINED_LOG_NOTICE, "upstream %s: connected",
			  upstream->address.text);
	if (upstream_send_preamble(upstream) < 0)
		lined_service_log(service, LINED_LOG_WARNING,
				  "upstream %s: preamble not sent: %s",
				  upstream->address.text, strerror(errno));
	upstream->handlers->handle_connect(upstream);
}

static void upstream_on_close(struct lined_socket *sock, void *arg,
			      enum lined_close_reason reason, int error)
{
	struct relay_upstream *upstream = arg;
	bool was_connected = upstream->connected;

	(void)sock;
	upstream_disconnected(upstream);
	upstream->handlers->handle_close(
		upstream, was_connected,
		relay_address_close_text(&upstream->address, reason, error,
					 was_connected));
}

static const struct lined_socket_handlers upstream_socket_handlers = {
	.handle_connect = upstream_on_connect,
	.handle_read = upstream_on_read,
	.handle_close = upstream_on_close,
};

int relay_upstream_connect(struct relay_upstream *upstream)
{
	upstream->delivered = upstream->leaving = false;
	upstream->sock = relay_address_connect(
		upstream->relay->service, &upstream->address, NULL,
		&upstream_socket_handlers, upstream);
	if (upstream->sock == NULL)
		return -1;
	/* Lines that do not fit are dropped: to close the connection instead
	 * would stop the feed. */
	lined_socket_set_overflow(upstream->sock, LINED_OVERFLOW_DROP_NEWEST);
	return 0;
}

void relay_upstream_drop(struct relay_upstream *upstream)
{
	if (upstream->sock != NULL) {
		lined_socket_set_handlers(upstream->sock, NULL, NULL);
		lined_socket_set_group(upstream->sock, NULL);
		lined_socket_close(upstream->sock);
	}
	upstream_disconnected(upstream);
}

static void upstream_finished(struct lined_socket *sock, void *arg,
			      enum lined_close_reason reason, int error)
{
	(void)sock;
	(void)reason;
	(void)error;
	upstream_disconnected(arg);
}

static const struct lined_socket_handlers upstream_finishing_handlers = {
	.handle_close = upstream_finished,
};

void relay_upstream_finish(struct relay_upstream *upstream)
{
	if (!upstream->connected) {
		relay_upstream_drop(upstream);
		return;
	}
	lined_timer_stop(&upstream->stale);
	lined_timer_stop(&upstream->lag);
	lined_socket_set_handlers(upstream->sock, &upstream_finishing_handlers,
				  upstream);
	lined_socket_close_after_flush(upstream->sock, LINED_CLOSE_LOCAL,
				       FINISH_MS);
}

/* A paused socket is not read, so the core does not see that the peer has
 * closed. */
bool relay_upstream_is_alive(const struct relay_upstream *upstream)
{
	char byte;
	ssize_t n;

	if (lined_socket_is_closed(upstream->sock))
		return false;
	n = recv(lined_socket_fd(upstream->sock), &byte, 1,
		 MSG_PEEK | MSG_DONTWAIT);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

struct relay_upstream *
relay_upstream_new(struct relay *relay, const struct relay_address *address,
		   const struct relay_upstream_handlers *handlers)
{
	struct relay_upstream *upstream = calloc(1, sizeof(*upstream));

	if (upstream == NULL)
		return NULL;
	upstream->relay = relay;
	upstream->handlers = handlers;
	upstream->address = *address;
	upstream->tag_len =
		(size_t)snprintf(upstream->tag, sizeof(upstream->tag), "%s ",
				 relay_address_host(address));
	lined_service_timer(relay->service, &upstream->stale,
			    upstream_stale_fired);
	lined_service_timer(relay->service, &upstream->lag, upstream_lag_fired);
	return upstream;
}

void relay_upstream_free(struct relay_upstream *upstream)
{
	relay_upstream_drop(upstream);
	free(upstream);
}
