/* SPDX-License-Identifier: MIT */
/*
 * Names the bus topic of the feed, and keeps the memory that all instances of a
 * topic share: the lines that dedupe remembers, held lines, and the seats of
 * the instances.
 */
#include "relay/topic.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "relay/dedupe.h"
#include "relay/filter.h"
#include "relay/relay.h"
#include "relay/topic_priv.h"

/* The store of held lines may take twice their bytes and two chunks. */
#define HOLD_SPARE 8192

static void topic_store(uint32_t *field, uint32_t value)
{
	__atomic_store_n(field, value, __ATOMIC_RELEASE);
}

/* ---- the feed ------------------------------------------------------------ */

/* Writes the name of the feed's bus topic. True: the services with this topic
 * share it. */
static bool topic_feed_name(const char *topic, char name[LINED_TOPIC_MAX + 1])
{
	if (topic[0] != '\0')
		snprintf(name, LINED_TOPIC_MAX + 1, "relay feed %s", topic);
	else
		strcpy(name, "feed");
	return topic[0] != '\0';
}

struct lined_subscription *
relay_topic_subscribe(struct relay *relay, const char *topic,
		      void (*handler)(void *arg, struct lined_buffer *message),
		      void *arg)
{
	struct lined_subscription *feed;
	char name[LINED_TOPIC_MAX + 1];

	if (topic_feed_name(topic, name))
		feed = lined_bus_subscribe_shared(relay->service, name, handler,
						  arg);
	else
		feed = lined_bus_subscribe(relay->service, name, handler, arg);
	if (feed == NULL)
		lined_service_log(relay->service, LINED_LOG_ERR,
				  "cannot subscribe: %s", strerror(errno));
	return feed;
}

int relay_topic_publish(struct relay *relay, struct lined_buffer *message)
{
	char name[LINED_TOPIC_MAX + 1];

	return topic_feed_name(relay->topic, name)
		       ? lined_bus_publish_shared(relay->service, name, message)
		       : lined_bus_publish(relay->service, name, message);
}

/* ---- seats -------------------------------------------------------------- */

/* Combines the options of all seats. -1/ENOMEM: no dedupe. */
static int topic_sum_up(struct relay_topic *topic, uint64_t now_ms)
{
	const struct relay_seat *seat;
	uint32_t window_ms = 0;

	topic->hold = 0;
	for (seat = topic->seats; seat != NULL; seat = seat->next) {
		if (seat->window_ms > window_ms)
			window_ms = seat->window_ms;
		if (seat->hold > topic->hold)
			topic->hold = seat->hold;
	}
	topic_store(&topic->holds, topic->hold > 0);
	if (window_ms > 0 && topic->dedupe == NULL)
		topic->dedupe = relay_dedupe_new(window_ms);
	else if (topic->dedupe != NULL)
		relay_dedupe_set_window(topic->dedupe, window_ms);
	if (window_ms > 0 && topic->dedupe == NULL)
		return -1;
	/* The dedupe is kept, because another worker may be using its key. */
	if (window_ms == 0 && topic->dedupe != NULL)
		relay_dedupe_shrink(topic->dedupe, 0, now_ms);
	topic_store(&topic->window_ms, window_ms);
	return 0;
}

size_t relay_topic_memory_max(size_t hold)
{
	return hold > 0 ? 2 * hold + HOLD_SPARE : 0;
}

size_t relay_topic_trim(struct relay_topic *topic, size_t memory)
{
	size_t lines = topic->held.lines;
	size_t most = relay_topic_memory_max(topic->hold);

	while (topic->held.bytes > topic->hold)
		relay_store_drop(&topic->held, 1);
	relay_store_shrink(&topic->held, memory < most ? memory : most);
	return lines - topic->held.lines;
}

/* The change in memory since the last call, to be charged. */
static int64_t topic_take_change(struct relay_topic *topic)
{
	size_t memory = relay_dedupe_memory(topic->dedupe);
	int64_t change = (int64_t)memory - (int64_t)topic->dedupe_charged;

	if (change != 0)
		topic_store(&topic->growth, (uint32_t)memory);
	topic->dedupe_charged = memory;
	return change + relay_store_take_change(&topic->held);
}

void relay_topic_unlock(struct relay *relay, size_t dropped)
{
	const struct relay_seat *seat = &relay->seat;
	int64_t change = topic_take_change(seat->topic);
	uint32_t evicted = relay_dedupe_take_evicted(seat->topic->dedupe);

	lined_shared_unlock(seat->shared);
	if (change != 0)
		lined_service_charge(relay->service, change);
	relay_count(relay, "dedupe_evictions", evicted);
	relay_count(relay, "held_lines_dropped", dropped);
}

static void topic_name(const struct relay *relay, char *name, size_t size)
{
	if (relay->topic[0] != '\0')
		snprintf(name, size, "relay topic %s", relay->topic);
	else
		snprintf(name, size, "relay service %s",
			 lined_service_name(relay->service));
}

int relay_topic_enter(struct relay *relay)
{
	const struct relay_options *options = relay->options;
	struct relay_seat *seat = &relay->seat;
	char name[RELAY_TOPIC_MAX + 100];
	struct relay_topic *topic;
	int result;

	if (relay->topic[0] == '\0' && options->dedupe_ms == 0 &&
	    options->hold == 0) {
		relay_topic_leave(relay);
		return 0;
	}
	if (seat->shared == NULL) {
		topic_name(relay, name, sizeof(name));
		seat->shared =
			lined_shared_get(relay->service, name, sizeof(*topic));
	}
	if (seat->shared == NULL) {
		lined_service_log(relay->service, LINED_LOG_ERR, "topic: %s",
				  strerror(errno));
		return -1;
	}
	topic = lined_shared_lock(seat->shared);
	if (seat->topic == NULL) {
		seat->next = topic->seats;
		topic->seats = seat;
	}
	seat->topic = topic;
	seat->window_ms = (uint32_t)options->dedupe_ms;
	seat->hold = (size_t)options->hold;
	result = topic_sum_up(topic, relay_now_ms(relay));
	relay_topic_unlock(relay, relay_topic_trim(topic, SIZE_MAX));
	if (result < 0)
		lined_service_log(relay->service, LINED_LOG_ERR, "dedupe: %s",
				  strerror(errno));
	return result;
}

void relay_topic_leave(struct relay *relay)
{
	struct relay_seat *seat = &relay->seat, **at;
	struct relay_topic *topic;
	size_t dropped;

	if (seat->shared == NULL)
		return;
	topic = lined_shared_lock(seat->shared);
	for (at = &topic->seats; *at != seat; at = &(*at)->next)
		;
	*at = seat->next;
	topic->readers -= seat->readers;
	topic_sum_up(topic, relay_now_ms(relay));
	dropped = relay_topic_trim(topic, SIZE_MAX);
	if (topic->seats == NULL) {
		relay_dedupe_free(topic->dedupe);
		topic->dedupe = NULL;
	}
	relay_topic_unlock(relay, dropped);
	if (dropped > 0)
		lined_service_log(relay->service, LINED_LOG_WARNING,
				  "hold: %zu waiting lines dropped", dropped);
	lined_shared_put(seat->shared, NULL);
	memset(seat, 0, sizeof(*seat));
}

/* ---- dedupe ------------------------------------------------------------- */

static bool topic_has_dedupe(const struct relay_seat *seat)
{
	return seat->shared != NULL &&
	       relay_topic_load(&seat->topic->window_ms) > 0;
}

/* Remembers the line. True: the line was remembered before, less than window_ms
 * ago. */
static bool topic_remember(struct relay *relay, const char *text, size_t len,
			   uint32_t window_ms)
{
	struct relay_seat *seat = &relay->seat;
	bool may_grow = lined_service_may_keep(
		relay->service, relay_topic_load(&seat->topic->growth));
	struct relay_digest digest;
	bool seen;

	if (relay->dedupe_without != NULL)
		relay_pattern_leave_out(relay->dedupe_without, &text, &len);
	/* No lock needed: once made, a dedupe keeps its key. */
	digest = relay_dedupe_digest(seat->topic->dedupe, text, len);
	lined_shared_lock(seat->shared);
	seen = relay_dedupe_seen(seat->topic->dedupe, &digest, window_ms,
				 relay_now_ms(relay), may_grow);
	relay_topic_unlock(relay, 0);
	return seen;
}

void relay_topic_forget(struct relay *relay, uint64_t bytes)
{
	struct relay_seat *seat = &relay->seat;
	struct relay_topic *topic;
	size_t memory;

	if (!topic_has_dedupe(seat))
		return;
	topic = lined_shared_lock(seat->shared);
	memory = relay_dedupe_memory(topic->dedupe);
	relay_dedupe_shrink(topic->dedupe,
			    memory > bytes ? memory - (size_t)bytes : 0,
			    relay_now_ms(relay));
	relay_topic_unlock(relay, 0);
}

bool relay_topic_is_repeat(struct relay *relay, const char *text, size_t len)
{
	const struct relay_seat *seat = &relay->seat;

	if (!topic_has_dedupe(seat) ||
	    !topic_remember(relay, text, len, seat->window_ms))
		return false;
	relay_count(relay, "lines_repeated", 1);
	return true;
}

void relay_topic_hear(struct relay *relay, const struct relay_message *message)
{
	const struct relay_seat *seat = &relay->seat;
	struct relay_line line;
	uint32_t i;

	for (i = 0; i < message->count && topic_has_dedupe(seat); i++) {
		relay_message_line(message, i, &line);
		topic_remember(relay, line.text + line.tag_len,
			       line.len - line.tag_len - line.terminator_len,
			       relay_topic_load(&seat->topic->window_ms));
	}
}
