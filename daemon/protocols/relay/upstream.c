/* SPDX-License-Identifier: MIT */
/*
 * Passes the lines of an upstream to input.c, closes a stale connection, and
 * sends lines of clients while there is room. failover.c decides which upstream
 * feeds.
 */
#include "relay/upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lined/control.h>

#include "relay/input.h"
#include "relay/relay.h"
#include "relay/tag.h"

/* While a worker lags, the upstream is paused and the lag is checked at this
 * interval. */
#define LAG_MS 5

static struct relay_upstream *upstream_of(struct relay_connector *connector)
{
	return lined_container_of(connector, struct relay_upstream, connector);
}

/* ---- being stale, and waiting for workers ------------------------------- */

static void upstream_watch_stale(struct relay_upstream *upstream)
{
	int64_t stale_ms = upstream->connector.relay->options->stale_timeout_ms;

	if (stale_ms > 0)
		relay_start_timer(upstream->connector.relay, "upstream",
				  &upstream->stale_timer, (uint64_t)stale_ms);
	else
		lined_timer_stop(&upstream->stale_timer);
}

/* Closes the connection if it is stale: within stale-timeout, no line has
 * passed the filter. While the connection is paused, it is not closed, but
 * checked again after another stale-timeout. */
static void upstream_stale_fired(struct lined_timer *timer)
{
	struct relay_upstream *upstream =
		lined_container_of(timer, struct relay_upstream, stale_timer);
	const struct relay_connector *connector = &upstream->connector;
	uint64_t from_ms = upstream->line_ms > connector->connected_ms
				   ? upstream->line_ms
				   : connector->connected_ms;
	uint64_t due_ms =
		from_ms + (uint64_t)connector->relay->options->stale_timeout_ms;
	uint64_t now_ms = relay_now_ms(upstream->connector.relay);

	if (lined_socket_is_paused(connector->sock)) {
		upstream_watch_stale(upstream);
	} else if (now_ms < due_ms) {
		relay_start_timer(connector->relay, "upstream", timer,
				  due_ms - now_ms);
	} else {
		upstream->stale_fired = true;
		lined_socket_close_for(connector->sock, LINED_CLOSE_TIMEOUT,
				       ETIMEDOUT);
	}
}

static void upstream_lag_fired(struct lined_timer *timer)
{
	struct relay_upstream *upstream =
		lined_container_of(timer, struct relay_upstream, lag);

	if (lined_bus_is_lagging(upstream->connector.relay->service))
		relay_start_timer(upstream->connector.relay, "upstream", timer,
				  LAG_MS);
	else if (!upstream->waits && upstream->connector.sock != NULL)
		lined_socket_resume(upstream->connector.sock);
}

/* ---- lines from the upstream -------------------------------------------- */

static size_t upstream_write_tag(const struct relay_upstream *upstream,
				 char tag[RELAY_TAG_MAX])
{
	const struct relay_address *address = &upstream->connector.address;
	char port[sizeof("65535")] = "";
	struct relay_source source = {relay_address_host(address), port,
				      address->text};

	if (address->to.port != 0)
		snprintf(port, sizeof(port), "%u", address->to.port);
	return relay_tag_write(upstream->connector.relay, &source, tag);
}

/* Relays a line. True: the line has passed the filter. */
static bool upstream_relay_line(struct relay_upstream *upstream,
				const struct lined_line *line)
{
	char tag[RELAY_TAG_MAX];

	return relay_input_line(upstream->connector.relay, tag,
				upstream_write_tag(upstream, tag), 0, line);
}

/* Keeps a copy of the line until the upstream feeds. */
static void upstream_keep_line(struct relay_upstream *upstream,
			       const struct lined_line *line)
{
	char *text = malloc(line->len + line->terminator_len + 1);

	if (text == NULL) {
		relay_count(upstream->connector.relay, "lines_not_relayed", 1);
		return;
	}
	memcpy(text, line->text, line->len);
	if (line->terminator_len > 0)
		memcpy(text + line->len, line->terminator,
		       line->terminator_len);
	upstream->kept = *line;
	upstream->kept.text = text;
	upstream->kept.terminator = text + line->len;
}

static void upstream_drop_kept(struct relay_upstream *upstream)
{
	free((char *)(uintptr_t)upstream->kept.text);
	upstream->kept.text = NULL;
}

static void upstream_relay_kept(struct relay_upstream *upstream)
{
	if (upstream->kept.text == NULL)
		return;
	upstream_relay_line(upstream, &upstream->kept);
	relay_input_publish(upstream->connector.relay, 0);
	upstream_drop_kept(upstream);
}

/* Offers a line of an upstream that does not feed. True: the line has passed
 * the filter. */
static bool upstream_offer_line(struct relay_upstream *upstream,
				const struct lined_line *line)
{
	if (!relay_input_passes(upstream->connector.relay, line))
		return false;
	if (upstream->handlers->handle_good(upstream)) {
		upstream_relay_line(upstream, line);
	} else {
		upstream_keep_line(upstream, line);
		relay_upstream_wait(upstream);
	}
	return true;
}

bool relay_upstream_is_between_lines(const struct relay_upstream *upstream)
{
	return lined_socket_is_quiet(upstream->connector.sock) &&
	       !lined_socket_is_within_line(upstream->connector.sock);
}

/* Reads and relays lines. Returns the status that ended the loop. */
static enum lined_line_status
upstream_read_lines(struct relay_upstream *upstream)
{
	struct lined_socket *sock = upstream->connector.sock;
	enum lined_line_status status;
	struct lined_line line;
	uint64_t lines = 0;
	bool good = false;

	do {
		status = lined_socket_read_line(sock, &line);
		if (status != LINED_LINE_READY)
			continue;
		lines++;
		if (upstream->feeds)
			good |= upstream_relay_line(upstream, &line);
		else
			good |= upstream_offer_line(upstream, &line);
		if (upstream->leaving) {
			relay_input_publish(upstream->connector.relay, 0);
			upstream->handlers->handle_line_end(upstream);
		}
	} while (status == LINED_LINE_READY || status == LINED_LINE_TOO_LONG);
	relay_input_publish(upstream->connector.relay, 0);
	relay_count(upstream->connector.relay, "upstream_lines", lines);
	upstream->lines += lines;
	if (good) {
		upstream->line_ms = relay_now_ms(upstream->connector.relay);
		relay_connector_good(&upstream->connector);
	}
	return status;
}

static void upstream_on_read(struct relay_connector *connector)
{
	struct relay_upstream *upstream = upstream_of(connector);
	const struct lined_counters *counters =
		&lined_service_group(connector->relay->service)->counters;
	uint64_t too_long = counters->too_long;
	enum lined_line_status status = upstream_read_lines(upstream);

	/* The end of the upstream's stream closes the connection, even if
	 * queued lines are not sent. */
	if (status == LINED_LINE_CLOSED)
		lined_socket_close_for(connector->sock,
				       counters->too_long > too_long
					       ? LINED_CLOSE_TOO_LONG
					       : LINED_CLOSE_PEER,
				       0);
	/* Pauses the upstream while a worker lags, as lined does for clients.
	 */
	else if (status == LINED_LINE_PARTIAL &&
		 lined_bus_is_lagging(upstream->connector.relay->service) &&
		 lined_timer_start(&upstream->lag, LAG_MS, 0) == 0)
		lined_socket_pause(connector->sock);
}

void relay_upstream_feed(struct relay_upstream *upstream)
{
	upstream->feeds = true;
	upstream->waits = false;
	upstream_relay_kept(upstream);
	upstream_watch_stale(upstream);
	if (!lined_timer_is_armed(&upstream->lag))
		lined_socket_resume(upstream->connector.sock);
}

void relay_upstream_wait(struct relay_upstream *upstream)
{
	upstream->feeds = upstream->leaving = false;
	upstream->waits = true;
	lined_timer_stop(&upstream->stale_timer);
	lined_socket_pause(upstream->connector.sock);
}

/* ---- lines to the upstream ---------------------------------------------- */

uint32_t relay_upstream_send(struct relay_upstream *upstream,
			     const struct relay_message *message)
{
	struct relay_connector *connector = &upstream->connector;
	size_t offset = message->bytes_at;
	uint32_t i = 0;

	if (relay_address_is_source(&connector->address))
		return 0;
	if (message->bytes <= relay_connector_room(connector) &&
	    relay_connector_send(connector, message->buffer, offset,
				 message->bytes))
		return message->count;
	for (; i < message->count; i++) {
		size_t len = relay_message_line_len(message, i);

		if (!relay_connector_send(connector, message->buffer, offset,
					  len))
			break;
		offset += len;
	}
	return i;
}

/* ---- the connection ----------------------------------------------------- */

static void upstream_on_connect(struct relay_connector *connector)
{
	upstream_watch_stale(upstream_of(connector));
}

static void upstream_on_write(struct relay_connector *connector)
{
	upstream_of(connector)->handlers->handle_room(upstream_of(connector));
}

static void upstream_on_unsent(struct relay_connector *connector)
{
	upstream_of(connector)->handlers->handle_unsent(upstream_of(connector));
}

static void upstream_forget(struct relay_upstream *upstream)
{
	lined_timer_stop(&upstream->stale_timer);
	lined_timer_stop(&upstream->lag);
	upstream->feeds = upstream->waits = upstream->leaving = false;
	upstream->stale = upstream->stale_fired;
	upstream->stale_fired = false;
}

static void upstream_on_close(struct relay_connector *connector,
			      bool was_connected)
{
	struct relay_upstream *upstream = upstream_of(connector);

	upstream_forget(upstream);
	upstream_relay_kept(upstream);
	upstream->handlers->handle_close(upstream);
}

static const struct relay_connector_handlers upstream_connector_handlers = {
	.kind = "upstream",
	.connects = "upstream_connects",
	.losses = "upstream_losses",
	.failures = "upstream_failures",
	.preamble = offsetof(struct relay_options, preamble),
	.handle_connect = upstream_on_connect,
	.handle_read = upstream_on_read,
	.handle_write = upstream_on_write,
	.handle_unsent = upstream_on_unsent,
	.handle_close = upstream_on_close,
};

void relay_upstream_stop(struct relay_upstream *upstream)
{
	upstream_forget(upstream);
	upstream_relay_kept(upstream);
	relay_connector_stop(&upstream->connector);
}

void relay_upstream_finish(struct relay_upstream *upstream)
{
	if (upstream->feeds &&
	    relay_connector_connected(&upstream->connector)) {
		lined_timer_stop(&upstream->stale_timer);
		upstream->leaving = false;
		relay_connector_read_out(&upstream->connector);
		return;
	}
	upstream_forget(upstream);
	upstream_relay_kept(upstream);
	relay_connector_finish(&upstream->connector);
}

void relay_upstream_reload(struct relay_upstream *upstream)
{
	relay_address_limits_changed(upstream->connector.sock);
	if (relay_connector_connected(&upstream->connector) && !upstream->waits)
		upstream_watch_stale(upstream);
}

struct relay_upstream *
relay_upstream_new(struct relay *relay, const struct relay_address *address,
		   const struct relay_upstream_handlers *handlers)
{
	struct relay_upstream *upstream = calloc(1, sizeof(*upstream));

	if (upstream == NULL)
		return NULL;
	relay_connector_init(&upstream->connector, relay, address,
			     &upstream_connector_handlers);
	upstream->handlers = handlers;
	upstream->line_ms = relay_now_ms(upstream->connector.relay);
	lined_service_timer(relay->service, &upstream->stale_timer,
			    upstream_stale_fired);
	lined_service_timer(relay->service, &upstream->lag, upstream_lag_fired);
	return upstream;
}

void relay_upstream_free(struct relay_upstream *upstream)
{
	upstream_forget(upstream);
	upstream_drop_kept(upstream);
	relay_connector_fini(&upstream->connector);
	free(upstream);
}

/* ---- describing --------------------------------------------------------- */

static const char *upstream_state_text(const struct relay_upstream *upstream)
{
	switch (upstream->connector.state) {
	case RELAY_CONNECTOR_CONNECTING:
		return "connecting";
	case RELAY_CONNECTOR_CONNECTED:
	case RELAY_CONNECTOR_FINISHING:
		return upstream->connector.good_ms > 0 ? "good" : "connected";
	default:
		return upstream->stale ? "stale" : "waiting";
	}
}

void relay_upstream_describe(const struct relay_upstream *upstream,
			     struct lined_records *records)
{
	const struct relay_connector *connector = &upstream->connector;
	uint64_t now_ms = relay_now_ms(upstream->connector.relay);

	lined_records_add(records, "upstream");
	lined_records_text(records, "upstream", connector->address.text);
	lined_records_text(records, "address", connector->reached);
	lined_records_text(records, "state", upstream_state_text(upstream));
	lined_records_number(records, "since_s",
			     (now_ms - connector->state_ms) / 1000);
	lined_records_number(records, "silent_s",
			     (now_ms - upstream->line_ms) / 1000);
	lined_records_number(records, "lines", upstream->lines);
	lined_records_number(records, "connects", connector->connects);
	lined_records_text(records, "error", connector->error);
}
