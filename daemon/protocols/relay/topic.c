/* SPDX-License-Identifier: MIT */
/*
 * The shared state of a topic, under its lock: recent lines, lines waiting for
 * a reader, and the seats of the instances. Atomic fields are also read without
 * the lock.
 */
#include "relay/topic.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "relay/dedupe.h"
#include "relay/filter.h"
#include "relay/relay.h"

/* The store of held lines may take twice their bytes and two chunks. */
#define HOLD_SPARE 8192

struct relay_topic {
	uint32_t window_ms; /* atomic: the longest dedupe; 0: none */
	uint32_t holds;     /* atomic: some service has the option hold */
	uint32_t growth;    /* atomic: how much dedupe would grow next */
	size_t hold;        /* the largest option hold */
	size_t readers;
	struct relay_seat *seats;
	struct relay_dedupe *dedupe; /* made with the first window */
	size_t dedupe_charged;       /* memory of dedupe charged so far */
	struct relay_store held;
};

static uint32_t topic_load(const uint32_t *field)
{
	return __atomic_load_n(field, __ATOMIC_ACQUIRE);
}

static void topic_store(uint32_t *field, uint32_t value)
{
	__atomic_store_n(field, value, __ATOMIC_RELEASE);
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

/* Drops held lines above the option hold and above this memory; all lines if no
 * service sets the option. Returns how many lines were dropped. */
static size_t topic_trim(struct relay_topic *topic, size_t memory)
{
	size_t lines = topic->held.lines;
	size_t most = relay_topic_memory_max(topic->hold);

	if (topic->hold == 0)
		relay_store_clear(&topic->held);
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

static void topic_name(const struct relay *relay, char *name, size_t size)
{
	if (relay->topic[0] != '\0')
		snprintf(name, size, "relay topic %s", relay->topic);
	else
		snprintf(name, size, "relay service %s",
			 lined_service_name(relay->service));
}

/* Takes the seat, or updates its options. */
static int topic_sit(struct relay *relay, struct relay_seat *seat, bool is_new)
{
	struct relay_topic *topic = lined_shared_lock(seat->shared);
	int64_t change;
	size_t dropped;
	int result;

	seat->topic = topic;
	seat->window_ms = (uint32_t)relay->options->dedupe_ms;
	seat->hold = (size_t)relay->options->hold;
	if (is_new) {
		seat->next = topic->seats;
		topic->seats = seat;
	}
	result = topic_sum_up(topic, relay_now_ms(relay));
	dropped = topic_trim(topic, SIZE_MAX);
	change = topic_take_change(topic);
	lined_shared_unlock(seat->shared);
	lined_service_charge(relay->service, change);
	relay_count(relay, "held_lines_dropped", dropped);
	if (result < 0)
		lined_service_log(relay->service, LINED_LOG_ERR, "dedupe: %s",
				  strerror(errno));
	return result;
}

int relay_topic_enter(struct relay *relay)
{
	const struct relay_options *options = relay->options;
	struct relay_seat *seat = &relay->seat;
	char name[RELAY_TOPIC_MAX + 100];
	bool needs = relay->topic[0] != '\0' || options->dedupe_ms > 0 ||
		     options->hold > 0;

	if (!needs)
		relay_topic_leave(relay);
	if (!needs || seat->shared != NULL)
		return needs ? topic_sit(relay, seat, false) : 0;
	topic_name(relay, name, sizeof(name));
	seat->shared = lined_shared_get(relay->service, name,
					sizeof(struct relay_topic));
	if (seat->shared == NULL) {
		lined_service_log(relay->service, LINED_LOG_ERR, "topic: %s",
				  strerror(errno));
		return -1;
	}
	return topic_sit(relay, seat, true);
}

void relay_topic_leave(struct relay *relay)
{
	struct relay_seat *seat = &relay->seat, **at;
	struct relay_topic *topic;
	int64_t change;
	size_t dropped;

	if (seat->shared == NULL)
		return;
	topic = lined_shared_lock(seat->shared);
	for (at = &topic->seats; *at != seat; at = &(*at)->next)
		;
	*at = seat->next;
	topic->readers -= seat->readers;
	topic_sum_up(topic, relay_now_ms(relay));
	dropped = topic_trim(topic, SIZE_MAX);
	if (topic->seats == NULL) {
		relay_dedupe_free(topic->dedupe);
		topic->dedupe = NULL;
	}
	change = topic_take_change(topic);
	lined_shared_unlock(seat->shared);
	lined_service_charge(relay->service, change);
	if (dropped > 0)
		lined_service_log(relay->service, LINED_LOG_WARNING,
				  "hold: %zu waiting lines dropped", dropped);
	relay_count(relay, "held_lines_dropped", dropped);
	lined_shared_put(seat->shared, NULL);
	memset(seat, 0, sizeof(*seat));
}

/* ---- dedupe ------------------------------------------------------------- */

static bool topic_has_dedupe(const struct relay_seat *seat)
{
	return seat->shared != NULL && topic_load(&seat->topic->window_ms) > 0;
}

/* Remembers the line. True: the line was remembered before, less than window_ms
 * ago. */
static bool topic_remember(struct relay *relay, const char *text, size_t len,
			   uint32_t window_ms)
{
	struct relay_seat *seat = &relay->seat;
	bool may_grow = lined_service_may_keep(
		relay->service, topic_load(&seat->topic->growth));
	struct relay_digest digest;
	uint32_t evicted;
	int64_t change;
	bool seen;

	if (relay->dedupe_without != NULL)
		relay_pattern_leave_out(relay->dedupe_without, &text, &len);
	/* No lock needed: once made, a dedupe keeps its key. */
	digest = relay_dedupe_digest(seat->topic->dedupe, text, len);
	lined_shared_lock(seat->shared);
	seen = relay_dedupe_seen(seat->topic->dedupe, &digest, window_ms,
				 relay_now_ms(relay), may_grow);
	change = topic_take_change(seat->topic);
	evicted = relay_dedupe_take_evicted(seat->topic->dedupe);
	lined_shared_unlock(seat->shared);
	if (change != 0)
		lined_service_charge(relay->service, change);
	relay_count(relay, "dedupe_evictions", evicted);
	return seen;
}

void relay_topic_forget(struct relay *relay, uint64_t bytes)
{
	struct relay_seat *seat = &relay->seat;
	struct relay_topic *topic;
	uint32_t evicted;
	int64_t change;
	size_t memory;

	if (!topic_has_dedupe(seat))
		return;
	topic = lined_shared_lock(seat->shared);
	memory = relay_dedupe_memory(topic->dedupe);
	relay_dedupe_shrink(topic->dedupe,
			    memory > bytes ? memory - (size_t)bytes : 0,
			    relay_now_ms(relay));
	change = topic_take_change(topic);
	evicted = relay_dedupe_take_evicted(topic->dedupe);
	lined_shared_unlock(seat->shared);
	lined_service_charge(relay->service, change);
	relay_count(relay, "dedupe_evictions", evicted);
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
			       topic_load(&seat->topic->window_ms));
	}
}

/* ---- hold --------------------------------------------------------------- */

/* Whether the topic has a reader other than the sender. */
static bool topic_is_read(const struct relay *relay,
			  const struct relay_topic *topic, uint64_t sender)
{
	bool only_sender = topic->readers == 1 && relay->seat.readers == 1 &&
			   relay->clients->id == sender &&
			   !relay->options->loopback;

	return topic->readers > 0 && !only_sender;
}

/*
 * Holds the lines of a batch. The oldest held lines make room, even lines of
 * this batch: the batch may exceed the option hold, or memory may be short.
 * Returns how many lines were held; *dropped: how many were dropped or found no
 * memory.
 */
static uint32_t topic_keep(struct relay_topic *topic,
			   const struct relay_batch *batch, bool may_grow,
			   size_t *dropped)
{
	const char *text = relay_batch_text(batch);
	size_t most = may_grow ? SIZE_MAX : topic->held.memory;
	uint32_t i, held = 0;

	for (i = 0; i < batch->count; i++) {
		const struct relay_lengths *lengths = &batch->lengths[i];
		struct relay_line line = {text, lengths->len, lengths->tag_len,
					  lengths->terminator_len};

		held += relay_store_add(&topic->held, &line) == 0;
		text += lengths->len;
	}
	*dropped = topic_trim(topic, most) + batch->count - held;
	return held;
}

size_t relay_topic_memory_max(size_t hold)
{
	return hold > 0 ? 2 * hold + HOLD_SPARE : 0;
}

void relay_topic_give_up(struct relay *relay, uint64_t bytes)
{
	struct relay_seat *seat = &relay->seat;
	struct relay_topic *topic;
	int64_t change;
	size_t dropped, memory;

	if (seat->shared == NULL || topic_load(&seat->topic->holds) == 0)
		return;
	topic = lined_shared_lock(seat->shared);
	memory = topic->held.memory;
	dropped =
		topic_trim(topic, memory > bytes ? memory - (size_t)bytes : 0);
	change = topic_take_change(topic);
	lined_shared_unlock(seat->shared);
	lined_service_charge(relay->service, change);
	relay_count(relay, "held_lines_dropped", dropped);
}

bool relay_topic_hold(struct relay *relay, const struct relay_batch *batch,
		      uint64_t sender)
{
	struct relay_seat *seat = &relay->seat;
	struct relay_topic *topic;
	bool may_grow, read;
	size_t dropped = 0;
	uint32_t held = 0;
	int64_t change;

	if (seat->shared == NULL || topic_load(&seat->topic->holds) == 0)
		return false;
	may_grow = lined_service_may_keep(relay->service,
					  relay_batch_bytes(batch));
	topic = lined_shared_lock(seat->shared);
	read = topic->hold == 0 || topic_is_read(relay, topic, sender);
	if (!read)
		held = topic_keep(topic, batch, may_grow, &dropped);
	change = topic_take_change(topic);
	lined_shared_unlock(seat->shared);
	lined_service_charge(relay->service, change);
	if (read)
		return false;
	relay_count(relay, "lines_held", held);
	relay_count(relay, "held_lines_dropped", dropped);
	return true;
}

bool relay_topic_set_readers(struct relay *relay, size_t readers,
			     struct relay_store *held, uint64_t *since)
{
	struct relay_seat *seat = &relay->seat;
	struct relay_topic *topic;
	bool more = readers > seat->readers;

	if (seat->shared == NULL || readers == seat->readers)
		return false;
	topic = lined_shared_lock(seat->shared);
	topic->readers += readers - seat->readers;
	seat->readers = readers;
	memset(held, 0, sizeof(*held));
	if (more) {
		*held = topic->held;
		memset(&topic->held, 0, sizeof(topic->held));
	}
	/* With the lock held: lines that other workers no longer hold are
	 * published after this mark. */
	if (held->lines > 0)
		*since = lined_bus_mark(relay->service);
	lined_shared_unlock(seat->shared);
	return held->lines > 0;
}
