/* SPDX-License-Identifier: MIT */
/*
 * Chooses which upstream feeds: tries each address in turn, with back-off, and
 * returns from a backup to the first. The lines of the upstream do not pass
 * through this file.
 */
#include "relay/upstreams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relay/backoff.h"
#include "relay/channel.h"
#include "relay/relay.h"
#include "relay/upstream.h"

/* How long a backup may take to end its line after the first upstream is
 * connected again. */
#define FAIL_BACK_MS 10000

#define NONE SIZE_MAX

struct relay_upstreams {
	struct relay *relay;
	struct relay_upstream **list; /* in the order of the config */
	size_t count;
	uint64_t retry_min_ms, retry_max_ms;
	/* The upstream that feeds or connects to feed; NULL: the next round has
	 * not begun. */
	struct relay_upstream *feed;
	struct lined_subscription *lines; /* of clients */

	/* In this round: the index of the next address, and of one that is
	 * skipped. */
	size_t next, left_out;
	unsigned failures; /* rounds since the last line */
	struct lined_timer retry;

	struct lined_timer probe; /* tries the first again, or ends a wait */
	bool finishing;
};

static const struct relay_upstream_handlers upstreams_handlers;

/* The first upstream while a backup feeds: it may be connecting, or waiting to
 * feed. NULL: it feeds itself. */
static struct relay_upstream *
upstreams_probed(const struct relay_upstreams *upstreams)
{
	return upstreams->count > 0 && upstreams->list[0] != upstreams->feed
		       ? upstreams->list[0]
		       : NULL;
}

static bool upstreams_can_fail_back(const struct relay_upstreams *upstreams)
{
	const struct relay_upstream *first = upstreams_probed(upstreams);

	return first != NULL && first->connected;
}

static size_t upstreams_index(const struct relay_upstreams *upstreams,
			      const struct relay_upstream *upstream)
{
	size_t i = 0;

	while (upstreams->list[i] != upstream)
		i++;
	return i;
}

static void upstreams_count(const struct relay_upstreams *upstreams,
			    const char *name, uint64_t n)
{
	lined_service_count(upstreams->relay->service, name, n);
}

static void upstreams_start_probe(struct relay_upstreams *upstreams,
				  uint64_t delay_ms)
{
	relay_upstream_start_timer(upstreams->relay, &upstreams->probe,
				   delay_ms);
}

/* ---- rounds ------------------------------------------------------------- */

static void upstreams_begin_round(struct relay_upstreams *upstreams,
				  size_t left_out)
{
	upstreams->next = 0;
	upstreams->left_out = left_out;
}

/* The next address of this round; NULL: all were tried. */
static struct relay_upstream *upstreams_next(struct relay_upstreams *upstreams)
{
	if (upstreams->next == upstreams->left_out)
		upstreams->next++;
	return upstreams->next < upstreams->count
		       ? upstreams->list[upstreams->next++]
		       : NULL;
}

static uint64_t upstreams_await_round(struct relay_upstreams *upstreams)
{
	uint64_t delay_ms =
		relay_backoff_ms(upstreams->retry_min_ms,
				 upstreams->retry_max_ms, upstreams->failures);

	upstreams->failures++;
	upstreams->feed = NULL;
	upstreams_begin_round(upstreams, NONE);
	relay_upstream_start_timer(upstreams->relay, &upstreams->retry,
				   delay_ms);
	return delay_ms;
}

/* To be called when an upstream has failed as `how` says: tries the next one,
 * or waits for the next round. */
static void upstreams_go_on(struct relay_upstreams *upstreams,
			    const struct relay_upstream *failed,
			    const char *how, const char *why)
{
	struct lined_service *service = upstreams->relay->service;
	struct relay_upstream *next = upstreams_next(upstreams);
	uint64_t delay_ms;

	while (next != NULL) {
		lined_service_log(service, LINED_LOG_WARNING,
				  "upstream %s: %s, trying %s: %s",
				  failed->address.text, how, next->address.text,
				  why);
		upstreams->feed = next;
		if (relay_upstream_connect(next) == 0)
			return;
		failed = next;
		how = "not connected";
		why = strerror(errno);
		next = upstreams_next(upstreams);
	}
	delay_ms = upstreams_await_round(upstreams);
	lined_service_log(service, LINED_LOG_WARNING,
			  "upstream %s: %s, next try in %.1f s: %s",
			  failed->address.text, how, (double)delay_ms / 1000,
			  why);
}

static void upstreams_start_round(struct relay_upstreams *upstreams)
{
	struct relay_upstream *next;

	lined_timer_stop(&upstreams->retry);
	upstreams_begin_round(upstreams, NONE);
	next = upstreams->feed = upstreams_next(upstreams);
	if (next != NULL && relay_upstream_connect(next) < 0)
		upstreams_go_on(upstreams, next, "not connected",
				strerror(errno));
}

static void upstreams_retry_fired(struct lined_timer *timer)
{
	upstreams_start_round(
		lined_container_of(timer, struct relay_upstreams, retry));
}

/* ---- failing back ------------------------------------------------------- */

/* The first upstream, which is connected, takes over from a backup. False: its
 * connection was lost again. */
static bool upstreams_fail_back(struct relay_upstreams *upstreams)
{
	struct relay_upstream *first = upstreams->list[0];
	struct relay_upstream *backup = upstreams->feed;

	if (!relay_upstream_is_alive(first)) {
		lined_socket_close_for(first->sock, LINED_CLOSE_PEER, 0);
		return false;
	}
	relay_upstream_drop(backup);
	lined_timer_stop(&upstreams->probe);
	upstreams->feed = first;
	upstreams_begin_round(upstreams, NONE);
	upstreams->next = 1;
	lined_service_log(upstreams->relay->service, LINED_LOG_NOTICE,
			  "upstream %s: taken back from %s",
			  first->address.text, backup->address.text);
	relay_upstream_feed(first);
	return true;
}

static void upstreams_probe_fired(struct lined_timer *timer)
{
	struct relay_upstreams *upstreams =
		lined_container_of(timer, struct relay_upstreams, probe);

	if (upstreams_can_fail_back(upstreams))
		upstreams_fail_back(upstreams);
	else if (relay_upstream_connect(upstreams->list[0]) < 0)
		upstreams_start_probe(upstreams, upstreams->retry_max_ms);
}

static void upstreams_probed_closed(struct relay_upstreams *upstreams,
				    const char *why)
{
	upstreams->feed->leaving = false;
	lined_service_log(upstreams->relay->service, LINED_LOG_INFO,
			  "upstream %s: not taken back, next try in %.1f s: %s",
			  upstreams->list[0]->address.text,
			  (double)upstreams->retry_max_ms / 1000, why);
	upstreams_start_probe(upstreams, upstreams->retry_max_ms);
}

/* ---- what upstreams call ------------------------------------------------ */

static void upstreams_on_connect(struct relay_upstream *upstream)
{
	struct relay_upstreams *upstreams = upstream->relay->upstreams;
	struct relay_upstream *feed = upstreams->feed;

	if (upstream == feed) {
		relay_upstream_feed(upstream);
		if (upstreams_probed(upstreams) != NULL)
			upstreams_start_probe(upstreams,
					      upstreams->retry_max_ms);
		return;
	}
	/* The first upstream is not read until the backup ends its line. */
	lined_socket_pause(upstream->sock);
	feed->leaving = true;
	if (relay_upstream_is_between_lines(feed))
		upstreams_fail_back(upstreams);
	else
		upstreams_start_probe(upstreams, FAIL_BACK_MS);
}

static void upstreams_on_lines(struct relay_upstream *upstream)
{
	upstream->relay->upstreams->failures = 0;
}

static bool upstreams_on_line_end(struct relay_upstream *upstream)
{
	return upstreams_fail_back(upstream->relay->upstreams);
}

/*
 * An upstream that fed for a while is replaced at once, first by the others.
 * After one that did not feed for long, the back-off begins when every address
 * was tried: otherwise two upstreams that each send one line and close would be
 * tried in turn without pause.
 */
static void upstreams_on_close(struct relay_upstream *upstream,
			       bool was_connected, const char *why)
{
	struct relay_upstreams *upstreams = upstream->relay->upstreams;
	bool was_good = was_connected && upstream->delivered;
	uint64_t fed_ms = lined_dispatcher_now_ms(lined_service_dispatcher(
				  upstreams->relay->service)) -
			  upstream->connected_ms;

	if (upstream != upstreams->feed) {
		upstreams_probed_closed(upstreams, why);
		return;
	}
	upstreams_count(upstreams,
			was_connected ? "upstream_losses" : "upstream_failures",
			1);
	lined_timer_stop(&upstreams->probe);
	if (upstreams_can_fail_back(upstreams) &&
	    upstreams_fail_back(upstreams)) {
		lined_service_log(upstreams->relay->service, LINED_LOG_WARNING,
				  "upstream %s: lost: %s",
				  upstream->address.text, why);
		return;
	}
	if (upstreams_probed(upstreams) != NULL)
		relay_upstream_drop(upstreams->list[0]);
	if (was_good && fed_ms >= upstreams->retry_min_ms)
		upstreams_begin_round(upstreams,
				      upstreams_index(upstreams, upstream));
	else if (was_good)
		upstreams->next = upstreams->count;
	upstreams_go_on(upstreams, upstream,
			was_connected ? "lost" : "not connected", why);
}

static const struct relay_upstream_handlers upstreams_handlers = {
	.handle_connect = upstreams_on_connect,
	.handle_lines = upstreams_on_lines,
	.handle_line_end = upstreams_on_line_end,
	.handle_close = upstreams_on_close,
};

/* Lines of clients. */
static void upstreams_on_block(void *arg, struct lined_buffer *buffer)
{
	struct relay_upstreams *upstreams = arg;
	struct relay_upstream *feed = upstreams->feed;
	struct relay_message message;
	uint32_t sent;

	if (!relay_message_read(&message, buffer))
		return;
	if (feed == NULL || !feed->connected ||
	    lined_socket_is_closed(feed->sock)) {
		upstreams_count(upstreams, "upstream_down", message.count);
		return;
	}
	sent = relay_upstream_send(feed, &message);
	if (sent < message.count)
		upstreams_count(upstreams, "upstream_slow",
				message.count - sent);
}

/* ---- the list ----------------------------------------------------------- */

static void upstreams_free_list(struct relay_upstream **list, size_t count)
{
	while (count > 0)
		relay_upstream_free(list[--count]);
	free(list);
}

/* Reads the configured upstreams that are served. -1/ENOMEM. */
static int upstreams_read_list(struct relay *relay,
			       struct relay_upstream ***list, size_t *count)
{
	const struct lined_option_list *texts = &relay->options->upstream;
	struct relay_address address;
	char error[512];
	size_t i;

	*count = 0;
	*list = calloc(texts->count > 0 ? texts->count : 1, sizeof(**list));
	if (*list == NULL)
		return -1;
	for (i = 0; i < texts->count; i++) {
		/* relay_options_check() has reported an error. */
		if (relay_address_parse(RELAY_USE_UPSTREAM, texts->items[i],
					&address, error, sizeof(error)) < 0 ||
		    !relay_address_is_served(&address))
			continue;
		(*list)[*count] = relay_upstream_new(relay, &address,
						     &upstreams_handlers);
		if ((*list)[*count] == NULL) {
			upstreams_free_list(*list, *count);
			*list = NULL;
			*count = 0;
			return -1;
		}
		(*count)++;
	}
	return 0;
}

static size_t upstreams_find(struct relay_upstream *const *list, size_t count,
			     const char *text)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(list[i]->address.text, text) == 0)
			return i;
	return NONE;
}

static bool upstreams_is_same(const struct relay_upstreams *upstreams,
			      struct relay_upstream *const *list, size_t count)
{
	size_t i;

	if (count != upstreams->count)
		return false;
	for (i = 0; i < count; i++)
		if (strcmp(upstreams->list[i]->address.text,
			   list[i]->address.text) != 0)
			return false;
	return true;
}

/* The connection that feeds is kept if its address is in the new list. */
static void upstreams_set_list(struct relay_upstreams *upstreams,
			       struct relay_upstream **list, size_t count)
{
	struct relay_upstream *feed = upstreams->feed;
	size_t place = NONE, old;

	lined_timer_stop(&upstreams->probe);
	if (feed != NULL && feed->connected) {
		place = upstreams_find(list, count, feed->address.text);
		if (place == NONE)
			lined_service_log(upstreams->relay->service,
					  LINED_LOG_NOTICE,
					  "upstream %s: left, it is not "
					  "configured any more",
					  feed->address.text);
	}
	if (place != NONE) {
		old = upstreams_index(upstreams, feed);
		upstreams->list[old] = list[place];
		list[place] = feed;
		feed->leaving = false;
	}
	upstreams_free_list(upstreams->list, upstreams->count);
	upstreams->list = list;
	upstreams->count = count;
	if (place == NONE) {
		upstreams->failures = 0;
		upstreams_start_round(upstreams);
		return;
	}
	upstreams_begin_round(upstreams, NONE);
	upstreams->next = place + 1;
	if (place > 0)
		upstreams_start_probe(upstreams, 0);
}

/* ---- life --------------------------------------------------------------- */

/* Reads the times. True: they have changed. */
static bool upstreams_read_times(struct relay_upstreams *upstreams)
{
	const struct relay_options *options = upstreams->relay->options;
	bool same =
		upstreams->retry_min_ms == (uint64_t)options->retry_min_ms &&
		upstreams->retry_max_ms == (uint64_t)options->retry_max_ms;

	upstreams->retry_min_ms = (uint64_t)options->retry_min_ms;
	upstreams->retry_max_ms = (uint64_t)options->retry_max_ms;
	relay_upstream_set_limits(upstreams->relay);
	return !same;
}

static int upstreams_log_error(const struct relay *relay)
{
	lined_service_log(relay->service, LINED_LOG_ERR, "upstream: %s",
			  strerror(errno));
	return -1;
}

static int upstreams_open(struct relay *relay)
{
	struct relay_upstreams *upstreams = calloc(1, sizeof(*upstreams));

	if (upstreams == NULL)
		return upstreams_log_error(relay);
	relay->upstreams = upstreams;
	upstreams->relay = relay;
	lined_service_timer(relay->service, &upstreams->retry,
			    upstreams_retry_fired);
	lined_service_timer(relay->service, &upstreams->probe,
			    upstreams_probe_fired);
	upstreams_read_times(upstreams);
	if (upstreams_read_list(relay, &upstreams->list, &upstreams->count) < 0)
		return upstreams_log_error(relay);
	upstreams->lines = relay_channel_subscribe(
		relay, RELAY_UP, upstreams_on_block, upstreams);
	if (upstreams->lines == NULL)
		return -1;
	upstreams_start_round(upstreams);
	return 0;
}

int relay_upstreams_start(struct relay *relay)
{
	if (!lined_service_is_primary(relay->service))
		return 0;
	relay_address_log_unserved(relay->service,
				   relay->options->mode == RELAY_PROXY
					   ? RELAY_USE_PROXY
					   : RELAY_USE_UPSTREAM,
				   &relay->options->upstream);
	return relay->options->mode == RELAY_UPSTREAM ? upstreams_open(relay)
						      : 0;
}

void relay_upstreams_stop(struct relay *relay)
{
	struct relay_upstreams *upstreams = relay->upstreams;

	if (upstreams == NULL)
		return;
	lined_bus_unsubscribe(upstreams->lines);
	lined_timer_stop(&upstreams->retry);
	lined_timer_stop(&upstreams->probe);
	upstreams_free_list(upstreams->list, upstreams->count);
	free(upstreams);
	relay->upstreams = NULL;
}

bool relay_upstreams_finish(struct relay *relay)
{
	struct relay_upstreams *upstreams = relay->upstreams;
	struct relay_upstream *feed;

	if (upstreams == NULL)
		return true;
	feed = upstreams->feed;
	if (!upstreams->finishing) {
		upstreams->finishing = true;
		lined_timer_stop(&upstreams->retry);
		lined_timer_stop(&upstreams->probe);
		if (upstreams_probed(upstreams) != NULL)
			relay_upstream_drop(upstreams->list[0]);
		if (feed != NULL)
			relay_upstream_finish(feed);
	}
	return feed == NULL || feed->sock == NULL;
}

static void upstreams_change(struct relay_upstreams *upstreams)
{
	bool other_times = upstreams_read_times(upstreams);
	struct relay_upstream **list;
	size_t count;

	if (upstreams_read_list(upstreams->relay, &list, &count) < 0) {
		upstreams_log_error(upstreams->relay);
	} else if (!upstreams_is_same(upstreams, list, count)) {
		upstreams_set_list(upstreams, list, count);
	} else {
		upstreams_free_list(list, count);
		if (other_times && lined_timer_is_armed(&upstreams->retry)) {
			upstreams->failures = 0;
			upstreams_start_round(upstreams);
		} else if (other_times && !upstreams_can_fail_back(upstreams) &&
			   lined_timer_is_armed(&upstreams->probe)) {
			upstreams_start_probe(upstreams,
					      upstreams->retry_max_ms);
		}
	}
	if (upstreams->feed != NULL && upstreams->feed->connected)
		relay_upstream_feed(upstreams->feed);
}

void relay_upstreams_reload(struct relay *relay)
{
	if (!lined_service_is_primary(relay->service))
		return;
	relay_address_log_unserved(relay->service,
				   relay->options->mode == RELAY_PROXY
					   ? RELAY_USE_PROXY
					   : RELAY_USE_UPSTREAM,
				   &relay->options->upstream);
	if (relay->options->mode != RELAY_UPSTREAM)
		relay_upstreams_stop(relay);
	else if (relay->upstreams != NULL)
		upstreams_change(relay->upstreams);
	else if (upstreams_open(relay) < 0)
		relay_upstreams_stop(relay);
}
