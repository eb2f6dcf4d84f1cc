/* SPDX-License-Identifier: MIT */
/*
 * The upstream of a service: one connection, on the primary worker, whose
 * lines feed all clients and to which theirs go. Here it is made, watched,
 * made again, and moved from a backup back to the first address. What happens
 * to a line is the feed's business.
 */
#include "relay/upstreams.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/backoff.h"
#include "relay/channel.h"
#include "relay/intake.h"
#include "relay/link.h"
#include "relay/relay.h"

/* How long a backup may take to end its line, or to take what it is sent,
 * once the first address stands. */
#define TAKE_BACK_MS 10000

/* How often an upstream that is not read, because a worker lags, is looked at
 * again. */
#define LAG_MS 5

/* The last of what clients said may take as long as a drain lets it. */
#define FINISH_MS INT32_MAX

#define NONE SIZE_MAX

struct relay_upstreams {
	struct relay *relay;
	struct relay_address *addresses; /* those that are served */
	size_t count;
	uint64_t retry_min_ms, retry_max_ms, stale_ms;

	struct relay_link feed;
	struct relay_link first; /* the first address, while a backup feeds */
	char tag[260];
	size_t tag_len;

	/* The round: which address is next, and which is left out. */
	size_t next, left_out;
	unsigned failures; /* rounds since a line was delivered */
	struct lined_timer retry;

	struct lined_timer probe; /* for `first`: to try it, to end waiting */
	struct lined_timer stale;
	struct lined_timer lag;
	uint64_t line_ms; /* when the last one came */
	bool finishing;
	struct lined_subscription *upward; /* what clients say */
};

static void link_stands(struct lined_socket *sock, void *arg);
static void feed_closed(struct lined_socket *sock, void *arg,
			enum lined_close_reason reason, int error);
static void first_closed(struct lined_socket *sock, void *arg,
			 enum lined_close_reason reason, int error);
static void read_feed(struct lined_socket *sock, void *arg);

static const struct lined_socket_handlers feed_handlers = {
	.handle_connect = link_stands,
	.handle_read = read_feed,
	.handle_close = feed_closed,
};

/* It is paused when it stands: nothing is read. */
static const struct lined_socket_handlers first_handlers = {
	.handle_connect = link_stands,
	.handle_close = first_closed,
};

static uint64_t now_of(const struct relay_upstreams *upstream)
{
	return lined_dispatcher_now_ms(
		lined_service_dispatcher(upstream->relay->service));
}

static const char *text_of(const struct relay_upstreams *upstream, size_t i)
{
	return upstream->addresses[i].text;
}

static void count(const struct relay_upstreams *upstream, const char *name,
		  uint64_t n)
{
	lined_service_count(upstream->relay->service, name, n);
}

static void start_timer(struct relay_upstreams *upstream,
			struct lined_timer *timer, uint64_t delay_ms)
{
	if (lined_timer_start(timer, delay_ms, 0) < 0)
		lined_service_log(upstream->relay->service, LINED_LOG_ERR,
				  "upstream: no timer: out of memory");
}

static int open_link(struct relay_link *link, size_t address,
		     const struct lined_socket_handlers *handlers)
{
	struct relay_upstreams *upstream = link->upstream;

	link->address = address;
	return relay_link_open(link, upstream->relay,
			       &upstream->addresses[address], handlers);
}

static const char *why_closed(const struct relay_link *link,
			      enum lined_close_reason reason, int error)
{
	return relay_address_close_text(
		&link->upstream->addresses[link->address], reason, error,
		link->stands);
}

/* ---- rounds ------------------------------------------------------------- */

static void begin_round(struct relay_upstreams *upstream, size_t left_out)
{
	upstream->next = 0;
	upstream->left_out = left_out;
}

static size_t next_address(struct relay_upstreams *upstream)
{
	if (upstream->next == upstream->left_out)
		upstream->next++;
	return upstream->next < upstream->count ? upstream->next++ : NONE;
}

/* Every address has had its chance. */
static uint64_t wait_for_round(struct relay_upstreams *upstream)
{
	uint64_t delay_ms =
		relay_backoff_ms(upstream->retry_min_ms, upstream->retry_max_ms,
				 upstream->failures);

	upstream->failures++;
	begin_round(upstream, NONE);
	start_timer(upstream, &upstream->retry, delay_ms);
	return delay_ms;
}

/* An address failed as `how` says: on to the next, or to a pause. */
static void go_on(struct relay_upstreams *upstream, size_t failed,
		  const char *how, const char *why)
{
	struct lined_service *service = upstream->relay->service;
	size_t next = next_address(upstream);
	uint64_t delay_ms;

	while (next != NONE) {
		lined_service_log(service, LINED_LOG_WARNING,
				  "upstream %s: %s, trying %s: %s",
				  text_of(upstream, failed), how,
				  text_of(upstream, next), why);
		if (open_link(&upstream->feed, next, &feed_handlers) == 0)
			return;
		failed = next;
		how = "not connected";
		why = strerror(errno);
		next = next_address(upstream);
	}
	delay_ms = wait_for_round(upstream);
	lined_service_log(service, LINED_LOG_WARNING,
			  "upstream %s: %s, next try in %.1f s: %s",
			  text_of(upstream, failed), how,
			  (double)delay_ms / 1000, why);
}

static void start_round(struct relay_upstreams *upstream)
{
	size_t next;

	lined_timer_stop(&upstream->retry);
	begin_round(upstream, NONE);
	next = next_address(upstream);
	if (next != NONE &&
	    open_link(&upstream->feed, next, &feed_handlers) < 0)
		go_on(upstream, next, "not connected", strerror(errno));
}

static void retry_fired(struct lined_timer *timer)
{
	start_round(lined_container_of(timer, struct relay_upstreams, retry));
}

/* ---- the feed ----------------------------------------------------------- */

static void watch_staleness(struct relay_upstreams *upstream)
{
	upstream->line_ms = now_of(upstream);
	if (upstream->stale_ms > 0 && upstream->feed.stands)
		start_timer(upstream, &upstream->stale, upstream->stale_ms);
	else
		lined_timer_stop(&upstream->stale);
}

static void stale_fired(struct lined_timer *timer)
{
	struct relay_upstreams *upstream =
		lined_container_of(timer, struct relay_upstreams, stale);
	uint64_t due_ms = upstream->line_ms + upstream->stale_ms;
	uint64_t now_ms = now_of(upstream);

	if (lined_socket_is_paused(upstream->feed.sock))
		watch_staleness(upstream);
	else if (now_ms < due_ms)
		start_timer(upstream, timer, due_ms - now_ms);
	else
		lined_socket_close_for(upstream->feed.sock, LINED_CLOSE_TIMEOUT,
				       ETIMEDOUT);
}

static void lag_fired(struct lined_timer *timer)
{
	struct relay_upstreams *upstream =
		lined_container_of(timer, struct relay_upstreams, lag);

	if (lined_bus_is_lagging(upstream->relay->service))
		start_timer(upstream, timer, LAG_MS);
	else
		lined_socket_resume(upstream->feed.sock);
}

/* As the clients are not read while a worker lags. */
static void wait_for_workers(struct relay_upstreams *upstream)
{
	if (lined_bus_is_lagging(upstream->relay->service) &&
	    lined_timer_start(&upstream->lag, LAG_MS, 0) == 0)
		lined_socket_pause(upstream->feed.sock);
}

static void feed_begins(struct relay_upstreams *upstream)
{
	const struct relay_link *feed = &upstream->feed;

	upstream->tag_len =
		(size_t)snprintf(upstream->tag, sizeof(upstream->tag), "%s ",
				 upstream->addresses[feed->address].to.host);
	watch_staleness(upstream);
	if (feed->address > 0)
		start_timer(upstream, &upstream->probe, upstream->retry_max_ms);
}

static void stop_feed_timers(struct relay_upstreams *upstream)
{
	lined_timer_stop(&upstream->stale);
	lined_timer_stop(&upstream->lag);
	lined_timer_stop(&upstream->probe);
}

static void feed_ends(struct relay_upstreams *upstream)
{
	stop_feed_timers(upstream);
	relay_link_gone(&upstream->feed);
}

static void delivered(struct relay_upstreams *upstream, uint64_t lines)
{
	count(upstream, "upstream_lines", lines);
	upstream->feed.delivered = true;
	upstream->failures = 0;
	upstream->line_ms = now_of(upstream);
}

static size_t tag_len(const struct relay_upstreams *upstream)
{
	return upstream->relay->options->tag ? upstream->tag_len : 0;
}

/* ---- taking the feed back ------------------------------------------------ */

/* It is not read while it waits, so that its end is not seen by itself. */
static bool is_alive(const struct lined_socket *sock)
{
	char byte;
	ssize_t n =
		recv(lined_socket_fd(sock), &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

/* The feed is the first address's. False: that has gone again. */
static bool take_back(struct relay_upstreams *upstream)
{
	struct relay_link *first = &upstream->first;
	size_t backup = upstream->feed.address;

	if (lined_socket_is_closed(first->sock) || !is_alive(first->sock)) {
		lined_socket_close_for(first->sock, LINED_CLOSE_PEER, 0);
		return false;
	}
	relay_link_drop(&upstream->feed);
	feed_ends(upstream);
	upstream->feed = *first;
	relay_link_gone(first);
	begin_round(upstream, NONE);
	upstream->next = 1;
	lined_service_log(upstream->relay->service, LINED_LOG_NOTICE,
			  "upstream %s: taken back from %s",
			  text_of(upstream, 0), text_of(upstream, backup));
	lined_socket_set_handlers(upstream->feed.sock, &feed_handlers,
				  &upstream->feed);
	feed_begins(upstream);
	lined_socket_resume(upstream->feed.sock);
	return true;
}

/* The first address stands: the backup ends its line. */
static void await_line_end(struct relay_upstreams *upstream)
{
	const struct lined_socket *sock = upstream->feed.sock;

	if (lined_socket_is_quiet(sock) && !lined_socket_is_within_line(sock))
		take_back(upstream);
	else
		start_timer(upstream, &upstream->probe, TAKE_BACK_MS);
}

/* True where the backup has been left at the end of its line. */
static bool ended_line(struct relay_upstreams *upstream)
{
	struct relay *relay = upstream->relay;
	struct lined_socket *sock = upstream->feed.sock;
	enum lined_line_status status;
	struct lined_line line;

	do
		status = lined_socket_read_line(sock, &line);
	while (status == LINED_LINE_TOO_LONG);
	if (status == LINED_LINE_READY) {
		relay_intake_line(relay, upstream->tag, tag_len(upstream), 0,
				  &line);
		relay_intake_publish(relay, 0);
		delivered(upstream, 1);
	} else if (status != LINED_LINE_PARTIAL ||
		   lined_socket_is_within_line(sock)) {
		return false;
	}
	return take_back(upstream);
}

static void probe_fired(struct lined_timer *timer)
{
	struct relay_upstreams *upstream =
		lined_container_of(timer, struct relay_upstreams, probe);

	if (upstream->first.stands)
		take_back(upstream);
	else if (open_link(&upstream->first, 0, &first_handlers) < 0)
		start_timer(upstream, timer, upstream->retry_max_ms);
}

static void first_closed(struct lined_socket *sock, void *arg,
			 enum lined_close_reason reason, int error)
{
	struct relay_link *link = arg;
	struct relay_upstreams *upstream = link->upstream;

	(void)sock;
	lined_service_log(upstream->relay->service, LINED_LOG_INFO,
			  "upstream %s: not taken back, next try in %.1f s: %s",
			  text_of(upstream, 0),
			  (double)upstream->retry_max_ms / 1000,
			  why_closed(link, reason, error));
	relay_link_gone(link);
	start_timer(upstream, &upstream->probe, upstream->retry_max_ms);
}

/* ---- what sockets call --------------------------------------------------- */

static void link_stands(struct lined_socket *sock, void *arg)
{
	struct relay_link *link = arg;
	struct relay_upstreams *upstream = link->upstream;

	if (!relay_address_connected(sock))
		return;
	link->stands = true;
	link->stood_ms = now_of(upstream);
	count(upstream, "upstream_connects", 1);
	lined_service_log(upstream->relay->service, LINED_LOG_NOTICE,
			  "upstream %s: connected",
			  text_of(upstream, link->address));
	if (relay_link_send_preamble(link, &upstream->relay->options->preamble))
		lined_service_log(upstream->relay->service, LINED_LOG_WARNING,
				  "upstream %s: preamble not sent: %s",
				  text_of(upstream, link->address),
				  strerror(errno));
	if (link == &upstream->feed) {
		feed_begins(upstream);
	} else {
		lined_socket_pause(sock);
		await_line_end(upstream);
	}
}

static void read_feed(struct lined_socket *sock, void *arg)
{
	struct relay_upstreams *upstream = ((struct relay_link *)arg)->upstream;
	const struct lined_counters *counters =
		&lined_service_group(upstream->relay->service)->counters;
	uint64_t too_long = counters->too_long;
	uint64_t lines = counters->lines_in - too_long;
	enum lined_line_status status;

	if (upstream->first.stands && lined_socket_queued(sock) == 0 &&
	    ended_line(upstream))
		return;
	status = relay_intake_read(upstream->relay, sock, upstream->tag,
				   tag_len(upstream), 0);
	lines = counters->lines_in - counters->too_long - lines;
	if (lines > 0)
		delivered(upstream, lines);
	/* Its end is an end even where it takes nothing any more. */
	if (status == LINED_LINE_CLOSED)
		lined_socket_close_for(sock,
				       counters->too_long > too_long
					       ? LINED_CLOSE_TOO_LONG
					       : LINED_CLOSE_PEER,
				       0);
	else if (status == LINED_LINE_PARTIAL)
		wait_for_workers(upstream);
}

/*
 * What had fed for a while is replaced at once, by the others first. What had
 * not waits for the back-off once every address has been tried, or two that
 * say one line and close would be called without end.
 */
static void feed_closed(struct lined_socket *sock, void *arg,
			enum lined_close_reason reason, int error)
{
	struct relay_link *link = arg;
	struct relay_upstreams *upstream = link->upstream;
	bool stood = link->stands;
	bool was_good = stood && link->delivered;
	uint64_t stood_ms = now_of(upstream) - link->stood_ms;
	const char *why = why_closed(link, reason, error);
	size_t address = link->address;

	(void)sock;
	count(upstream, stood ? "upstream_losses" : "upstream_failures", 1);
	feed_ends(upstream);
	if (upstream->first.stands && take_back(upstream)) {
		lined_service_log(upstream->relay->service, LINED_LOG_WARNING,
				  "upstream %s: lost: %s",
				  text_of(upstream, address), why);
		return;
	}
	relay_link_drop(&upstream->first);
	if (was_good && stood_ms >= upstream->retry_min_ms)
		begin_round(upstream, address);
	else if (was_good)
		upstream->next = upstream->count;
	go_on(upstream, address, stood ? "lost" : "not connected", why);
}

static void take_up(void *arg, struct lined_buffer *buffer)
{
	struct relay_upstreams *upstream = arg;
	struct relay_link *feed = &upstream->feed;
	struct relay_message message;
	uint32_t sent;

	if (!relay_message_read(&message, buffer))
		return;
	if (!feed->stands || lined_socket_is_closed(feed->sock)) {
		count(upstream, "upstream_down", message.count);
		return;
	}
	sent = relay_link_send(feed, &message);
	if (sent < message.count)
		count(upstream, "upstream_slow", message.count - sent);
}

/* ---- life --------------------------------------------------------------- */

/* The addresses of the options that are served. -1/ENOMEM. */
static int read_addresses(const struct relay *relay,
			  struct relay_address **addresses, size_t *read)
{
	const struct lined_option_list *list = &relay->options->upstream;
	char error[512];
	size_t i;

	*read = 0;
	*addresses = calloc(list->count, sizeof(**addresses));
	if (*addresses == NULL && list->count > 0)
		return -1;
	for (i = 0; i < list->count; i++) {
		struct relay_address *address = &(*addresses)[*read];

		/* check() has seen them. */
		if (relay_address_parse(list->items[i], address, error,
					sizeof(error)) == 0 &&
		    !address->tls)
			(*read)++;
	}
	return 0;
}

/* True where they are others than before. */
static bool take_times(struct relay_upstreams *upstream)
{
	const struct relay_options *options = upstream->relay->options;
	bool same = upstream->retry_min_ms == (uint64_t)options->retry_min_ms &&
		    upstream->retry_max_ms == (uint64_t)options->retry_max_ms;

	upstream->retry_min_ms = (uint64_t)options->retry_min_ms;
	upstream->retry_max_ms = (uint64_t)options->retry_max_ms;
	upstream->stale_ms = (uint64_t)options->stale_timeout_ms;
	relay_link_limit(lined_service_group(upstream->relay->service));
	return !same;
}

static int fail(struct relay *relay)
{
	lined_service_log(relay->service, LINED_LOG_ERR, "upstream: %s",
			  strerror(errno));
	return -1;
}

static int begin(struct relay *relay)
{
	struct relay_upstreams *upstream = calloc(1, sizeof(*upstream));

	if (upstream == NULL)
		return fail(relay);
	relay->upstreams = upstream;
	upstream->relay = relay;
	upstream->feed.upstream = upstream->first.upstream = upstream;
	lined_service_timer(relay->service, &upstream->retry, retry_fired);
	lined_service_timer(relay->service, &upstream->probe, probe_fired);
	lined_service_timer(relay->service, &upstream->stale, stale_fired);
	lined_service_timer(relay->service, &upstream->lag, lag_fired);
	take_times(upstream);
	if (read_addresses(relay, &upstream->addresses, &upstream->count) < 0)
		return fail(relay);
	upstream->upward =
		relay_channel_subscribe(relay, RELAY_UP, take_up, upstream);
	if (upstream->upward == NULL)
		return -1;
	start_round(upstream);
	return 0;
}

int relay_upstreams_start(struct relay *relay)
{
	if (!lined_service_is_primary(relay->service))
		return 0;
	relay_address_log_unserved(relay->service, &relay->options->upstream);
	return relay->options->mode == RELAY_UPSTREAM ? begin(relay) : 0;
}

void relay_upstreams_stop(struct relay *relay)
{
	struct relay_upstreams *upstream = relay->upstreams;

	if (upstream == NULL)
		return;
	lined_bus_unsubscribe(upstream->upward);
	relay_link_drop(&upstream->feed);
	relay_link_drop(&upstream->first);
	feed_ends(upstream);
	lined_timer_stop(&upstream->retry);
	free(upstream->addresses);
	free(upstream);
	relay->upstreams = NULL;
}

static void feed_finished(struct lined_socket *sock, void *arg,
			  enum lined_close_reason reason, int error)
{
	struct relay_link *link = arg;

	(void)sock;
	(void)reason;
	(void)error;
	relay_link_gone(link);
}

/* It is left, not lost: nothing is said, and none is called instead. */
static const struct lined_socket_handlers finishing_handlers = {
	.handle_close = feed_finished,
};

bool relay_upstreams_finish(struct relay *relay)
{
	struct relay_upstreams *upstream = relay->upstreams;
	struct relay_link *feed;

	if (upstream == NULL)
		return true;
	feed = &upstream->feed;
	if (upstream->finishing)
		return feed->sock == NULL;
	upstream->finishing = true;
	stop_feed_timers(upstream);
	lined_timer_stop(&upstream->retry);
	relay_link_drop(&upstream->first);
	if (!feed->stands) {
		relay_link_drop(feed);
		return true;
	}
	lined_socket_set_handlers(feed->sock, &finishing_handlers, feed);
	lined_socket_close_after_flush(feed->sock, LINED_CLOSE_LOCAL,
				       FINISH_MS);
	return false;
}

static size_t find_address(const struct relay_address *addresses, size_t count,
			   const char *text)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(addresses[i].text, text) == 0)
			return i;
	return NONE;
}

static bool are_equal(const struct relay_upstreams *upstream,
		      const struct relay_address *addresses, size_t count)
{
	size_t i;

	for (i = 0; i < count && i < upstream->count; i++)
		if (strcmp(upstream->addresses[i].text, addresses[i].text) != 0)
			return false;
	return count == upstream->count;
}

/* The feed stays where its address did; else there is a new one. */
static void take_addresses(struct relay_upstreams *upstream,
			   struct relay_address *addresses, size_t count)
{
	struct relay_link *feed = &upstream->feed;
	size_t place = NONE;

	relay_link_drop(&upstream->first);
	lined_timer_stop(&upstream->probe);
	if (feed->stands)
		place = find_address(addresses, count,
				     text_of(upstream, feed->address));
	if (feed->stands && place == NONE)
		lined_service_log(upstream->relay->service, LINED_LOG_NOTICE,
				  "upstream %s: left, it is not configured "
				  "any more",
				  text_of(upstream, feed->address));
	free(upstream->addresses);
	upstream->addresses = addresses;
	upstream->count = count;
	if (place == NONE) {
		relay_link_drop(feed);
		feed_ends(upstream);
		upstream->failures = 0;
		start_round(upstream);
		return;
	}
	feed->address = place;
	begin_round(upstream, NONE);
	upstream->next = place + 1;
	if (place > 0)
		start_timer(upstream, &upstream->probe, 0);
}

static void change(struct relay_upstreams *upstream)
{
	bool other_times = take_times(upstream);
	struct relay_address *addresses;
	size_t count;

	if (read_addresses(upstream->relay, &addresses, &count) < 0) {
		fail(upstream->relay);
	} else if (!are_equal(upstream, addresses, count)) {
		take_addresses(upstream, addresses, count);
	} else {
		free(addresses);
		if (other_times && lined_timer_is_armed(&upstream->retry)) {
			upstream->failures = 0;
			start_round(upstream);
		} else if (other_times && !upstream->first.stands &&
			   lined_timer_is_armed(&upstream->probe)) {
			start_timer(upstream, &upstream->probe,
				    upstream->retry_max_ms);
		}
	}
	watch_staleness(upstream);
}

void relay_upstreams_reload(struct relay *relay)
{
	if (!lined_service_is_primary(relay->service))
		return;
	relay_address_log_unserved(relay->service, &relay->options->upstream);
	if (relay->options->mode != RELAY_UPSTREAM)
		relay_upstreams_stop(relay);
	else if (relay->upstreams != NULL)
		change(relay->upstreams);
	else if (begin(relay) < 0)
		relay_upstreams_stop(relay);
}
