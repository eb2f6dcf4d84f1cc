/* SPDX-License-Identifier: MIT */
/*
 * The feed: from the bus through dedupe and history to the members of this
 * worker. A run of lines goes to each member as one part of the message's
 * buffer; where slow readers lose lines rather than their connection, each
 * line is a send of its own, so that whole lines are lost.
 */
#include "relay/relay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- channels ----------------------------------------------------------- */

static const char *const channel_names[] = {
	[RELAY_FEED] = "feed",
	[RELAY_KEPT] = "kept",
	[RELAY_HOLD] = "hold",
	[RELAY_UP] = "up",
};

/* The upstream is a service's own, whoever shares its feed. */
static bool is_shared(const struct relay *relay, enum relay_channel channel)
{
	return relay->topic[0] != '\0' && channel != RELAY_UP;
}

static void name_channel(const struct relay *relay, enum relay_channel channel,
			 char *name, size_t size)
{
	if (is_shared(relay, channel))
		snprintf(name, size, "relay %s %s", channel_names[channel],
			 relay->topic);
	else
		snprintf(name, size, "%s", channel_names[channel]);
}

struct lined_subscription *
relay_subscribe(struct relay *relay, enum relay_channel channel,
		void (*handler)(void *arg, struct lined_buffer *message),
		void *arg)
{
	struct lined_subscription *subscription;
	char name[LINED_TOPIC_MAX + 1];

	name_channel(relay, channel, name, sizeof(name));
	if (is_shared(relay, channel))
		subscription = lined_bus_subscribe_shared(relay->service, name,
							  handler, arg);
	else
		subscription =
			lined_bus_subscribe(relay->service, name, handler, arg);
	if (subscription == NULL)
		lined_service_log(relay->service, LINED_LOG_ERR,
				  "cannot subscribe: %s", strerror(errno));
	return subscription;
}

int relay_publish(struct relay *relay, enum relay_channel channel,
		  struct lined_buffer *message)
{
	char name[LINED_TOPIC_MAX + 1];

	name_channel(relay, channel, name, sizeof(name));
	if (is_shared(relay, channel))
		return lined_bus_publish_shared(relay->service, name, message);
	return lined_bus_publish(relay->service, name, message);
}

void relay_feed_publish(struct relay *relay, uint64_t sender)
{
	struct lined_buffer *message;
	uint32_t lines = relay->block.count;

	if (lines == 0)
		return;
	message = relay_block_seal(&relay->block, sender);
	if (message == NULL)
		lined_service_count(relay->service, "lines_not_relayed", lines);
	else if (relay->mode != RELAY_UPSTREAM || sender == 0)
		relay_hold_publish(relay, message, lines);
	else if (relay_publish(relay, RELAY_UP, message) < 0)
		lined_service_count(relay->service, "lines_not_relayed", lines);
	lined_buffer_unref(message);
}

/* ---- sending ------------------------------------------------------------ */

/* Part of a message: lines that follow one another. */
struct run {
	const struct relay_message *message;
	uint32_t first, count;
	size_t offset, len;
};

static bool drops(const struct relay *relay)
{
	return strcmp(relay->options->slow, "disconnect") != 0;
}

static bool drops_oldest(const struct relay *relay)
{
	return strcmp(relay->options->slow, "drop-oldest") == 0;
}

static void lose(struct relay_client *client, uint64_t lines)
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
 * What has lost lines loses all that come until it has caught up so far that
 * it can be told: the notice stands where the gap is. A queue that drops its
 * oldest goes on, and the notice comes when it has sent what it kept.
 */
static void send_lines(struct relay_client *client, const struct run *run)
{
	const struct relay_message *message = run->message;
	size_t offset = run->offset;
	const struct relay_options *options = client->relay->options;
	bool waits = strcmp(options->slow, "drop-newest") == 0 &&
		     options->gap_notice[0] != '\0';
	uint32_t i;

	for (i = 0; i < run->count; i++) {
		size_t len = relay_message_line_len(message, run->first + i);

		if (waits && client->lost > 0) {
			/* A shorter one might have room in front of it. */
			lose(client, run->count - i);
			return;
		}
		lined_socket_send_shared(client->sock, message->buffer, offset,
					 len);
		offset += len;
		lose(client, lined_socket_take_dropped(client->sock));
	}
}

static void send_run(struct relay_client *client, const struct run *run)
{
	if (drops(client->relay))
		send_lines(client, run);
	else
		lined_socket_send_shared(client->sock, run->message->buffer,
					 run->offset, run->len);
}

/* In place of "{count}", and the newline. */
#define COUNT_ROOM sizeof("18446744073709551615\n")

/* "# lost {count} lines" with its newline. */
static size_t write_notice(const char *form, uint64_t count, char *text,
			   size_t size)
{
	const char *place = strstr(form, "{count}");
	int len;

	if (place == NULL)
		len = snprintf(text, size, "%s\n", form);
	else
		len = snprintf(text, size, "%.*s%" PRIu64 "%s\n",
			       (int)(place - form), form, count,
			       place + strlen("{count}"));
	return len > 0 && (size_t)len < size ? (size_t)len : 0;
}

void relay_feed_tell_gap(struct relay *relay, struct relay_client *client)
{
	char text[RELAY_NOTICE_MAX + COUNT_ROOM];
	size_t len = write_notice(relay->options->gap_notice, client->lost,
				  text, sizeof(text));

	/*
	 * Behind what waits the notice would be the oldest one day, and be
	 * dropped. In an empty queue it is begun by the turn's flush.
	 */
	if (client->lost > 0 && drops_oldest(relay) &&
	    lined_socket_is_send_data_buffered(client->sock))
		return;
	if (client->lost > 0 && len > 1 &&
	    lined_socket_send(client->sock, text, len) < 0) {
		/* No room yet; and it is no line that was lost. */
		lined_socket_take_dropped(client->sock);
		return;
	}
	lined_socket_want_write(client->sock, false);
	client->lost = 0;
}

/* ---- receiving ---------------------------------------------------------- */

static void keep_history(struct relay *relay, const struct run *run)
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

static void deliver_run(struct relay *relay, const struct run *run,
			struct relay_client *only)
{
	uint64_t skipped = relay->options->loopback ? 0 : run->message->sender;
	struct relay_client *client;

	if (run->count == 0)
		return;
	if (only != NULL) {
		send_run(only, run);
	} else {
		for (client = relay->clients; client != NULL;
		     client = client->next)
			if (skipped == 0 || client->id != skipped)
				send_run(client, run);
	}
	if (relay->history != NULL)
		keep_history(relay, run);
}

/* Its bytes without tag and terminator: the same line may come from two
 * senders, or with two terminators. */
static bool is_repeat(struct relay *relay, const struct relay_message *message,
		      size_t offset, size_t len, uint64_t now_ms)
{
	const char *text = lined_buffer_data(message->buffer) + offset;

	text += message->tag_len;
	len -= message->tag_len;
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len > 0 && text[len - 1] == '\r')
		len--;
	return relay_dedupe_seen(relay->dedupe, text, len, now_ms);
}

/* The runs between the repeats. */
static void deliver_once(struct relay *relay,
			 const struct relay_message *message,
			 struct relay_client *only)
{
	uint64_t now_ms = lined_dispatcher_now_ms(
		lined_service_dispatcher(relay->service));
	struct run run = {message, 0, 0, message->bytes_at, 0};
	uint64_t repeats = 0;
	uint32_t i;

	for (i = 0; i < message->count; i++) {
		size_t offset = run.offset + run.len;
		size_t len = relay_message_line_len(message, i);

		if (!is_repeat(relay, message, offset, len, now_ms)) {
			run.count++;
			run.len += len;
			continue;
		}
		repeats++;
		deliver_run(relay, &run, only);
		run = (struct run){message, i + 1, 0, offset + len, 0};
	}
	deliver_run(relay, &run, only);
	if (repeats > 0)
		lined_service_count(relay->service, "lines_repeated", repeats);
}

static void deliver(void *arg, struct lined_buffer *buffer)
{
	struct relay *relay = arg;
	struct relay_message message;
	struct relay_client *only = NULL;
	struct run run;

	if (!relay_message_read(&message, buffer))
		return;
	if (message.to != 0) {
		only = relay_hold_reader(relay, &message);
		if (only == NULL)
			return;
	}
	if (relay->dedupe != NULL) {
		deliver_once(relay, &message, only);
		return;
	}
	run = (struct run){&message, 0, message.count, message.bytes_at,
			   message.bytes};
	deliver_run(relay, &run, only);
}

/* ---- members ------------------------------------------------------------ */

static void set_overflow(const struct relay *relay, struct lined_socket *sock)
{
	enum lined_overflow overflow = LINED_OVERFLOW_CLOSE;

	if (drops_oldest(relay))
		overflow = LINED_OVERFLOW_DROP_OLDEST;
	else if (strcmp(relay->options->slow, "drop-newest") == 0)
		overflow = LINED_OVERFLOW_DROP_NEWEST;
	lined_socket_set_overflow(sock, overflow);
}

/* Half a queue: a newcomer must not be too slow for what was before it. */
static void send_history(struct relay *relay, struct relay_client *client)
{
	uint32_t queue = lined_socket_group(client->sock)->limits.send_queue;

	if (relay->history != NULL)
		relay_history_send(relay->history, client->sock,
				   queue > 0 ? queue / 2 : SIZE_MAX);
}

void relay_feed_join(struct relay *relay, struct relay_client *client)
{
	set_overflow(relay, client->sock);
	if (!relay->publish_only)
		send_history(relay, client);
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

static int take_history(struct relay *relay)
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

static int take_dedupe(struct relay *relay)
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

static int take_memory(struct relay *relay)
{
	if (take_history(relay) == 0 && take_dedupe(relay) == 0)
		return 0;
	lined_service_log(relay->service, LINED_LOG_ERR,
			  "history and dedupe: %s", strerror(errno));
	return -1;
}

/* The feed that the options name; the one before goes on where this fails. */
static int take_feed(struct relay *relay)
{
	struct lined_subscription *feed = NULL;
	char before[sizeof(relay->topic)];

	memcpy(before, relay->topic, sizeof(before));
	snprintf(relay->topic, sizeof(relay->topic), "%s",
		 relay->options->topic);
	if (!relay->publish_only)
		feed = relay_subscribe(relay, RELAY_FEED, deliver, relay);
	if (feed == NULL && !relay->publish_only) {
		memcpy(relay->topic, before, sizeof(before));
		return -1;
	}
	lined_bus_unsubscribe(relay->feed);
	relay->feed = feed;
	return 0;
}

int relay_feed_start(struct relay *relay)
{
	if (take_memory(relay) < 0 || take_feed(relay) < 0)
		return -1;
	return relay_hold_start(relay);
}

static void retake_clients(struct relay *relay)
{
	struct relay_client *client;

	for (client = relay->clients; client != NULL; client = client->next) {
		set_overflow(relay, client->sock);
		if (!drops(relay))
			client->lost = 0;
	}
}

int relay_feed_reload(struct relay *relay)
{
	bool moved = strcmp(relay->topic, relay->options->topic) != 0;
	bool turned = relay->publish_only != (relay->feed == NULL);
	int result = take_memory(relay);

	retake_clients(relay);
	if (!moved && !turned)
		return relay_hold_reload(relay) < 0 ? -1 : result;
	relay_hold_stop(relay);
	if (take_feed(relay) < 0 || relay_hold_start(relay) < 0)
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
