/* SPDX-License-Identifier: MIT */
/*
 * Delivers the batches of the feed to the clients of this worker, gives the
 * history and held lines to a new client, and sends heartbeats. A reader gets a
 * batch as one part of the message's shared buffer, unless readers may lose
 * lines: see slow_readers.c.
 */
#include "relay/readers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "relay/hold.h"
#include "relay/relay.h"
#include "relay/slow_readers.h"
#include "relay/tag.h"

/* ---- receiving ---------------------------------------------------------- */

static void readers_charge(const struct relay *relay, struct relay_store *store)
{
	int64_t change = relay_store_take_change(store);

	if (change != 0)
		lined_service_charge(relay->service, change);
}

static void readers_trim_history(struct relay *relay)
{
	size_t most = (size_t)relay->options->history;

	if (relay->history.lines > most)
		relay_store_drop(&relay->history, relay->history.lines - most);
	readers_charge(relay, &relay->history);
}

/* Drops the oldest lines for lack of memory, and counts them. */
static void readers_shrink_history(struct relay *relay, size_t memory)
{
	size_t lines = relay->history.lines;

	relay_store_shrink(&relay->history, memory);
	lines -= relay->history.lines;
	relay_count(relay, "history_lines_dropped", lines);
}

uint64_t relay_readers_give_up(struct relay *relay, uint64_t bytes)
{
	size_t memory = relay->history.memory;

	readers_shrink_history(relay,
			       memory > bytes ? memory - (size_t)bytes : 0);
	readers_charge(relay, &relay->history);
	return memory - relay->history.memory;
}

static void readers_add_history(struct relay *relay,
				const struct relay_message *message)
{
	size_t memory = relay->history.memory;
	struct relay_line line;
	uint64_t dropped = 0;
	uint32_t i;

	for (i = 0; i < message->count; i++) {
		relay_message_line(message, i, &line);
		dropped += relay_store_add(&relay->history, &line) < 0;
	}
	relay_count(relay, "history_lines_dropped", dropped);
	if (relay->history.memory > memory &&
	    !lined_service_may_keep(relay->service,
				    relay->history.memory - memory))
		readers_shrink_history(relay, memory);
	readers_trim_history(relay);
}

/* Whether the message was published before held lines were given out, but is
 * delivered after them. */
static bool readers_is_late(const struct relay *relay)
{
	return relay->held_since != 0 &&
	       lined_bus_is_before(relay->service, relay->held_since);
}

/* Delivers the message to all readers; without loopback, not to its sender.
 * `only`, unless NULL: the one reader that gets the message. Also adds the
 * message to the history, unless it is late. */
static void readers_deliver(struct relay *relay,
			    const struct relay_message *message,
			    struct relay_client *only)
{
	uint64_t skipped = relay->options->loopback ? 0 : message->sender;
	struct relay_client *client;

	if (only != NULL)
		relay_slow_send(only, message);
	for (client = only == NULL ? relay->clients : NULL; client != NULL;
	     client = client->next)
		if ((skipped == 0 || client->id != skipped) &&
		    (client->since == 0 ||
		     !lined_bus_is_before(relay->service, client->since)))
			relay_slow_send(client, message);
	if (relay->options->history > 0 &&
	    (only != NULL || !readers_is_late(relay)))
		readers_add_history(relay, message);
	relay->fed_ms = relay_now_ms(relay);
}

static void readers_receive(struct relay *relay, struct lined_buffer *buffer,
			    struct relay_client *only)
{
	struct relay_message message;
	struct lined_buffer *fitting;
	uint32_t denied;

	if (!relay_message_read(&message, buffer))
		return;
	if (lined_bus_is_elsewhere(relay->service))
		relay_topic_hear(relay, &message);
	fitting = relay_message_convert(&message,
					lined_service_framing(relay->service),
					relay->filter_out, &denied);
	/* Every worker filters for its readers; only one worker counts. */
	if (only != NULL || lined_service_worker(relay->service) == 0)
		relay_count(relay, "lines_filtered_out", denied);
	if (fitting != NULL)
		readers_deliver(relay, &message, only);
	else if (errno != 0)
		relay_count(relay, "lines_not_relayed", message.count - denied);
	lined_buffer_unref(fitting);
}

static void readers_on_batch(void *arg, struct lined_buffer *buffer)
{
	readers_receive(arg, buffer, NULL);
}

/* ---- heartbeats ---------------------------------------------------------- */

static void readers_start_heartbeat(struct relay *relay, uint64_t delay_ms)
{
	if (lined_timer_start(&relay->heartbeat, delay_ms, 0) < 0)
		lined_service_log(relay->service, LINED_LOG_ERR,
				  "heartbeat: no timer: out of memory");
}

static void readers_heartbeat_fired(struct lined_timer *timer)
{
	struct relay *relay =
		lined_container_of(timer, struct relay, heartbeat);
	uint64_t every_ms = (uint64_t)relay->options->heartbeat_ms;
	uint64_t now_ms = relay_now_ms(relay),
		 due_ms = relay->fed_ms + every_ms;
	char text[RELAY_NOTICE_MAX + 254];
	struct relay_client *client;
	size_t len;

	if (now_ms < due_ms) {
		readers_start_heartbeat(relay, due_ms - now_ms);
		return;
	}
	len = relay_tag_write_time(relay->options->heartbeat_line, text,
				   sizeof(text));
	for (client = relay->clients; client != NULL; client = client->next) {
		/* A reader with queued lines needs no heartbeat, and must not
		 * lose a line because of a heartbeat. */
		if (lined_socket_is_send_data_buffered(client->sock))
			continue;
		relay_send_text(client->sock, text, len);
	}
	relay->fed_ms = now_ms;
	readers_start_heartbeat(relay, every_ms);
}

static void readers_set_heartbeat(struct relay *relay)
{
	if (relay->options->heartbeat_ms == 0 || relay->options->publish_only)
		lined_timer_stop(&relay->heartbeat);
	else
		readers_start_heartbeat(relay,
					(uint64_t)relay->options->heartbeat_ms);
}

/* ---- clients ------------------------------------------------------------ */

/* Sends the history, up to half of the send queue: with a full queue a new
 * client would already count as slow. */
static void readers_send_history(struct relay *relay,
				 struct relay_client *client)
{
	uint32_t queue = lined_socket_limits(client->sock)->send_queue;
	size_t most = queue > 0 ? queue / 2 : SIZE_MAX;
	size_t left = relay->history.bytes;
	struct relay_store_place place = {0};
	struct relay_line line;

	while (relay_store_next(&relay->history, &place, &line)) {
		if (left <= most &&
		    lined_socket_send(client->sock, line.text, line.len) < 0 &&
		    errno == ENOMEM)
			relay_slow_lose(client, 1);
		left -= line.len;
	}
}

/* The most bytes of held lines in one batch. */
#define HELD_BATCH_MAX 65536

/* Copies the first held lines into a batch. */
static void readers_fill_batch(const struct relay_store *held,
			       struct relay_batch *batch)
{
	struct relay_store_place place = {0};
	struct relay_line line;

	while (relay_batch_bytes(batch) < HELD_BATCH_MAX &&
	       relay_store_next(held, &place, &line) &&
	       relay_batch_copy(batch, &line) == 0)
		;
}

/* Gives the held lines to the first reader, batch by batch, so that at most one
 * batch is in memory twice. */
static void readers_give_held(struct relay_client *client,
			      struct relay_store *held)
{
	struct relay_batch batch = {0};
	uint64_t dropped = 0;

	while (held->lines > 0 && !lined_socket_is_closed(client->sock)) {
		struct lined_buffer *buffer;
		uint32_t lines;

		readers_fill_batch(held, &batch);
		lines = batch.count;
		if (lines == 0)
			break;
		relay_store_drop(held, lines);
		readers_charge(client->relay, held);
		buffer = relay_batch_seal(&batch, 0);
		if (buffer != NULL)
			readers_receive(client->relay, buffer, client);
		else
			dropped += lines;
		lined_buffer_unref(buffer);
	}
	dropped += held->lines;
	relay_count(client->relay, "held_lines_dropped", dropped);
	relay_batch_fini(&batch);
	relay_store_shrink(held, 0);
	readers_charge(client->relay, held);
}

/* Call this when clients have joined or left. */
static void readers_changed(struct relay *relay)
{
	size_t readers = relay->feed != NULL ? relay->client_count : 0;
	struct relay_store held;
	uint64_t since;

	if (!relay_hold_set_readers(relay, readers, &held, &since))
		return;
	relay->clients->since = relay->held_since = since;
	readers_give_held(relay->clients, &held);
}

void relay_readers_join(struct relay *relay, struct relay_client *client)
{
	relay_slow_set_reader(relay, client->sock);
	if (!relay->options->publish_only)
		readers_send_history(relay, client);
	client->prev = NULL;
	client->next = relay->clients;
	if (relay->clients != NULL)
		relay->clients->prev = client;
	relay->clients = client;
	relay->client_count++;
	/* The history may contain lines that were held: messages published
	 * before those lines were given out must not follow. */
	client->since = relay->held_since;
	readers_changed(relay);
}

void relay_readers_leave(struct relay *relay, struct relay_client *client)
{
	if (client->prev != NULL)
		client->prev->next = client->next;
	else
		relay->clients = client->next;
	if (client->next != NULL)
		client->next->prev = client->prev;
	relay->client_count--;
	readers_changed(relay);
}

/* ---- life --------------------------------------------------------------- */

/* Subscribes to the feed named by the options; with publish-only, only ends the
 * old subscription. After a failure the old subscription stays. */
static int readers_subscribe(struct relay *relay)
{
	const struct relay_options *options = relay->options;
	struct lined_subscription *feed = NULL;

	if (!options->publish_only) {
		feed = relay_topic_subscribe(relay, options->topic,
					     readers_on_batch, relay);
		if (feed == NULL)
			return -1;
	}
	snprintf(relay->topic, sizeof(relay->topic), "%s", options->topic);
	lined_bus_unsubscribe(relay->feed);
	relay->feed = feed;
	return 0;
}

int relay_readers_start(struct relay *relay)
{
	lined_service_timer(relay->service, &relay->heartbeat,
			    readers_heartbeat_fired);
	relay_slow_init(relay);
	relay->fed_ms = relay_now_ms(relay);
	readers_set_heartbeat(relay);
	if (readers_subscribe(relay) < 0)
		return -1;
	return relay_topic_enter(relay);
}

void relay_readers_reload(struct relay *relay)
{
	bool moved = strcmp(relay->topic, relay->options->topic) != 0;
	bool turned = relay->options->publish_only != (relay->feed == NULL);
	struct relay_client *client;

	readers_trim_history(relay);
	for (client = relay->clients; client != NULL; client = client->next) {
		relay_slow_set_reader(relay, client->sock);
		if (!relay_slow_loses_lines(relay))
			client->lost = 0;
	}
	relay_slow_set(relay);
	readers_set_heartbeat(relay);
	if (moved || turned) {
		/* After a failure the clients keep the old feed. */
		if (readers_subscribe(relay) == 0 && moved)
			relay_topic_leave(relay);
	}
	relay_topic_enter(relay);
	readers_changed(relay);
}

void relay_readers_stop(struct relay *relay)
{
	lined_timer_stop(&relay->heartbeat);
	lined_timer_stop(&relay->aging);
	relay_topic_leave(relay);
	lined_bus_unsubscribe(relay->feed);
	relay->feed = NULL;
	relay_store_shrink(&relay->history, 0);
	readers_charge(relay, &relay->history);
}
