/* SPDX-License-Identifier: MIT */
/*
 * Delivers blocks to the members. Consecutive lines go to a member as one part
 * of the message's buffer. If slow clients lose lines instead of their
 * connection, each line is sent by itself, so that only whole lines are lost.
 */
#include "relay/feed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/channel.h"
#include "relay/dedupe.h"
#include "relay/history.h"
#include "relay/hold.h"
#include "relay/relay.h"

/* ---- sending ------------------------------------------------------------ */

/* Consecutive lines of a message. */
struct feed_run {
	const struct relay_message *message;
	uint32_t first, count;
	size_t offset, len;
};

static void feed_count_lost(struct relay_client *client, uint64_t lines)
{
	struct relay *relay = client->relay;

	if (lines == 0)
		return;
	lined_service_count(relay->service, "lines_dropped", lines);
	if (relay->options->gap_notice[0] == '\0')
		return;
	if (client->lost == 0)
		lined_socket_want_write(client->sock, true);
	client->lost += lines;
}

/*
 * With drop-newest, a client that has lost a line loses all further lines until
 * the notice fits into its queue, so that the notice is where the gap is. With
 * drop-oldest the client keeps getting lines, and the notice follows when its
 * queue is empty.
 */
static void feed_send_lines(struct relay_client *client,
			    const struct feed_run *run)
{
	const struct relay_message *message = run->message;
	const struct relay_options *options = client->relay->options;
	bool waits = options->slow == RELAY_SLOW_DROP_NEWEST &&
		     options->gap_notice[0] != '\0';
	size_t offset = run->offset;
	uint32_t i;

	for (i = 0; i < run->count; i++) {
		size_t len = relay_message_line_len(message, run->first + i);

		if (waits && client->lost > 0) {
			/* A shorter line might still fit, and would then be
			 * before the notice. */
			feed_count_lost(client, run->count - i);
			return;
		}
		lined_socket_send_shared(client->sock, message->buffer, offset,
					 len);
		offset += len;
		feed_count_lost(client,
				lined_socket_take_dropped(client->sock));
	}
}

static void feed_send_run(struct relay_client *client,
			  const struct feed_run *run)
{
	if (client->relay->options->slow != RELAY_SLOW_DISCONNECT)
		feed_send_lines(client, run);
	else
		lined_socket_send_shared(client->sock, run->message->buffer,
					 run->offset, run->len);
}

/* Room for a count in place of "{count}", and for a terminator. */
#define COUNT_ROOM sizeof("18446744073709551615\r\n")

/* "# lost {count} lines" with its terminator; returns the length. */
static size_t feed_write_notice(const struct relay *relay, uint64_t count,
				char *text, size_t size)
{
	const char *form = relay->options->gap_notice, *end;
	const char *place = strstr(form, "{count}");
	size_t end_len = lined_framing_terminator(
		lined_service_framing(relay->service), &end);
	int len;

	if (place == NULL)
		len = snprintf(text, size, "%s", form);
	else
		len = snprintf(text, size, "%.*s%" PRIu64 "%s",
			       (int)(place - form), form, count,
			       place + strlen("{count}"));
	if (len <= 0 || (size_t)len + end_len > size)
		return 0;
	memcpy(text + len, end, end_len);
	return (size_t)len + end_len;
}

void relay_feed_send_notice(struct relay_client *client)
{
	const struct relay_options *options = client->relay->options;
	char text[RELAY_NOTICE_MAX + COUNT_ROOM];
	size_t len = feed_write_notice(client->relay, client->lost, text,
				       sizeof(text));

	/* Behind other lines the notice would become the oldest and be dropped.
	 * In an empty queue the turn's flush begins to send it. */
	if (client->lost > 0 && options->slow == RELAY_SLOW_DROP_OLDEST &&
	    lined_socket_is_send_data_buffered(client->sock))
		return;
	if (client->lost > 0 && len > 0 &&
	    lined_socket_send(client->sock, text, len) < 0) {
		/* No room yet. The notice itself is not a lost line. */
		lined_socket_take_dropped(client->sock);
		return;
	}
	lined_socket_want_write(client->sock, false);
	client->lost = 0;
}

/* ---- receiving ---------------------------------------------------------- */

static void feed_keep_history(struct relay *relay, const struct feed_run *run)
{
	size_t offset = run->offset;
	uint32_t i;

	for (i = 0; i < run->count; i++) {
		size_t len =
			relay_message_line_len(run->message, run->first + i);

		relay_history_add(relay->history, run->message->buffer, offset,
				  len);
		offset += len;
	}
}

static void feed_deliver_run(struct relay *relay, const struct feed_run *run,
			     struct relay_client *only)
{
	uint64_t skipped = relay->options->loopback ? 0 : run->message->sender;
	struct relay_client *client;

	if (run->count == 0)
		return;
	if (only != NULL) {
		feed_send_run(only, run);
	} else {
		for (client = relay->clients; client != NULL;
		     client = client->next)
			if (skipped == 0 || client->id != skipped)
				feed_send_run(client, run);
	}
	if (relay->history != NULL)
		feed_keep_history(relay, run);
}

/* Compares the line without tag and terminator: two senders, or senders with
 * different terminators, may send the same line. */
static bool feed_is_repeat(struct relay *relay,
			   const struct relay_message *message, size_t offset,
			   size_t len, uint64_t now_ms)
{
	const char *text = lined_buffer_data(message->buffer) + offset;

	text += message->tag_len;
	len -= message->tag_len;
	return relay_dedupe_seen(relay->dedupe, text, len, now_ms);
}

/* Delivers the runs between the repeats. */
static void feed_deliver_once(struct relay *relay,
			      const struct relay_message *message,
			      struct relay_client *only)
{
	uint64_t now_ms = lined_dispatcher_now_ms(
		lined_service_dispatcher(relay->service));
	struct feed_run run = {message, 0, 0, message->bytes_at, 0};
	uint64_t repeats = 0;
	uint32_t i;

	for (i = 0; i < message->count; i++) {
		size_t offset = run.offset + run.len;
		size_t len = relay_message_line_len(message, i);

		if (!feed_is_repeat(relay, message, offset,
				    relay_message_text_len(message, i),
				    now_ms)) {
			run.count++;
			run.len += len;
			continue;
		}
		repeats++;
		feed_deliver_run(relay, &run, only);
		run = (struct feed_run){message, i + 1, 0, offset + len, 0};
	}
	feed_deliver_run(relay, &run, only);
	if (repeats > 0)
		lined_service_count(relay->service, "lines_repeated", repeats);
}

static void feed_deliver(struct relay *relay,
			 const struct relay_message *message,
			 struct relay_client *only)
{
	struct feed_run run = {message, 0, message->count, message->bytes_at,
			       message->bytes};

	if (relay->dedupe != NULL)
		feed_deliver_once(relay, message, only);
	else
		feed_deliver_run(relay, &run, only);
}

static void feed_on_block(void *arg, struct lined_buffer *buffer)
{
	struct relay *relay = arg;
	struct relay_message message;
	struct relay_client *only = NULL;
	struct lined_buffer *ended;

	if (!relay_message_read(&message, buffer))
		return;
	if (message.to != 0) {
		only = relay_hold_reader(relay, &message);
		if (only == NULL)
			return;
	}
	ended = relay_message_end_as(&message,
				     lined_service_framing(relay->service));
	if (ended != NULL && relay_message_read(&message, ended))
		feed_deliver(relay, &message, only);
	else
		lined_service_count(relay->service, "lines_not_relayed",
				    message.count);
	lined_buffer_unref(ended);
}

/* ---- members ------------------------------------------------------------ */

static void feed_set_overflow(const struct relay *relay,
			      struct lined_socket *sock)
{
	static const enum lined_overflow overflows[] = {
		[RELAY_SLOW_DISCONNECT] = LINED_OVERFLOW_CLOSE,
		[RELAY_SLOW_DROP_OLDEST] = LINED_OVERFLOW_DROP_OLDEST,
		[RELAY_SLOW_DROP_NEWEST] = LINED_OVERFLOW_DROP_NEWEST,
	};

	lined_socket_set_overflow(sock, overflows[relay->options->slow]);
}

/* The history fills at most half of the send queue, or a new client would
 * already be a slow one. */
static void feed_send_history(struct relay *relay, struct relay_client *client)
{
	uint32_t queue = lined_socket_group(client->sock)->limits.send_queue;

	if (relay->history != NULL)
		relay_history_send(relay->history, client->sock,
				   queue > 0 ? queue / 2 : SIZE_MAX);
}

void relay_feed_join(struct relay *relay, struct relay_client *client)
{
	feed_set_overflow(relay, client->sock);
	if (!relay->options->publish_only)
		feed_send_history(relay, client);
	client->prev = NULL;
	client->next = relay->clients;
	if (relay->clients != NULL)
		relay->clients->prev = client;
	relay->clients = client;
	relay_hold_members_changed(relay);
}

void relay_feed_leave(struct relay *relay, struct relay_client *client)
{
	if (client->prev != NULL)
		client->prev->next = client->next;
	else
		relay->clients = client->next;
	if (client->next != NULL)
		client->next->prev = client->prev;
	relay_hold_members_changed(relay);
}

/* ---- life --------------------------------------------------------------- */

static int feed_set_history(struct relay *relay)
{
	struct relay_history *history = NULL;

	if (relay->options->history > 0) {
		history = relay_history_new((size_t)relay->options->history,
					    relay->history);
		if (history == NULL)
			return -1;
	}
	relay_history_free(relay->history);
	relay->history = history;
	return 0;
}

static int feed_set_dedupe(struct relay *relay)
{
	uint32_t window_ms = (uint32_t)relay->options->dedupe_ms;

	if (window_ms == 0) {
		relay_dedupe_free(relay->dedupe);
		relay->dedupe = NULL;
	} else if (relay->dedupe != NULL) {
		relay_dedupe_set_window(relay->dedupe, window_ms);
	} else {
		relay->dedupe = relay_dedupe_new(window_ms);
		if (relay->dedupe == NULL)
			return -1;
	}
	return 0;
}

static int feed_set_memory(struct relay *relay)
{
	if (feed_set_history(relay) == 0 && feed_set_dedupe(relay) == 0)
		return 0;
	lined_service_log(relay->service, LINED_LOG_ERR,
			  "history and dedupe: %s", strerror(errno));
	return -1;
}

/* Subscribes to the feed that the options name. On failure the old subscription
 * stays. */
static int feed_subscribe(struct relay *relay)
{
	struct lined_subscription *feed = NULL;
	char before[sizeof(relay->topic)];

	memcpy(before, relay->topic, sizeof(before));
	snprintf(relay->topic, sizeof(relay->topic), "%s",
		 relay->options->topic);
	if (!relay->options->publish_only)
		feed = relay_channel_subscribe(relay, RELAY_FEED, feed_on_block,
					       relay);
	if (feed == NULL && !relay->options->publish_only) {
		memcpy(relay->topic, before, sizeof(before));
		return -1;
	}
	lined_bus_unsubscribe(relay->feed);
	relay->feed = feed;
	return 0;
}

int relay_feed_start(struct relay *relay)
{
	if (feed_set_memory(relay) < 0 || feed_subscribe(relay) < 0)
		return -1;
	return relay_hold_start(relay);
}

static void feed_update_clients(struct relay *relay)
{
	struct relay_client *client;

	for (client = relay->clients; client != NULL; client = client->next) {
		feed_set_overflow(relay, client->sock);
		if (relay->options->slow == RELAY_SLOW_DISCONNECT)
			client->lost = 0;
	}
}

int relay_feed_reload(struct relay *relay)
{
	bool moved = strcmp(relay->topic, relay->options->topic) != 0;
	bool turned = relay->options->publish_only != (relay->feed == NULL);
	int result = feed_set_memory(relay);

	feed_update_clients(relay);
	if (!moved && !turned)
		return relay_hold_reload(relay) < 0 ? -1 : result;
	relay_hold_stop(relay);
	if (feed_subscribe(relay) < 0 || relay_hold_start(relay) < 0)
		result = -1;
	return result;
}

void relay_feed_stop(struct relay *relay)
{
	relay_hold_stop(relay);
	lined_bus_unsubscribe(relay->feed);
	relay->feed = NULL;
	relay_history_free(relay->history);
	relay_dedupe_free(relay->dedupe);
}
