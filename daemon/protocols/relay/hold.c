/* SPDX-License-Identifier: MIT */
/*
 * Holds lines that have no reader until the first reader joins. All blocks of a
 * feed go through one instance, the holder. So one place decides, however many
 * workers there are, and held lines are sent before newer ones.
 *
 * The instances of a feed send each other notes: how many members they have,
 * and whether they are the holder. The holder is the primary instance of a
 * service that sets the option. If two instances become holders at once, the
 * one with the lower id stays. A feed without the option has no holder; without
 * a topic, it has no notes either.
 */
#include "relay/hold.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "relay/channel.h"
#include "relay/hold_queue.h"
#include "relay/relay.h"

enum hold_note_kind {
	NOTE_ASK,   /* `from` has started: all send their state */
	NOTE_STATE, /* the other fields are the state of `from` */
	NOTE_GONE,  /* `from` has ended */
};

/* A message on RELAY_NOTES. */
struct hold_note {
	uint64_t from;
	uint64_t group;  /* the same for all instances of a service */
	uint64_t client; /* the member that joined last */
	uint32_t kind;
	uint16_t members; /* 0, 1, or 2 for two and more */
	uint16_t is_holder;
};

/* An instance by its last note. */
struct hold_instance {
	uint64_t id, group, client;
	unsigned members;
};

struct relay_hold {
	struct relay *relay;
	uint64_t id, group;
	uint64_t holder; /* 0: none, or not known yet */
	struct lined_subscription *notes, *blocks;
	unsigned members; /* as in the last note sent */
	uint64_t client;
	struct hold_instance *instances;
	size_t instance_count;
	struct hold_queue held;    /* of the holder */
	struct hold_queue pending; /* published before the holder was known */
};

static void hold_count(const struct relay_hold *hold, const char *name,
		       uint32_t lines)
{
	lined_service_count(hold->relay->service, name, lines);
}

static bool hold_is_holder(const struct relay_hold *hold)
{
	return hold->holder == hold->id;
}

static void hold_drop_all(struct relay_hold *hold, struct hold_queue *queue)
{
	struct hold_entry *entry;
	uint64_t lines = 0;

	while ((entry = hold_queue_take(queue)) != NULL) {
		lines += hold_entry_lines(entry);
		hold_count(hold, "held_lines_dropped", hold_entry_lines(entry));
		hold_entry_free(entry);
	}
	if (lines > 0)
		lined_service_log(hold->relay->service, LINED_LOG_WARNING,
				  "hold: %" PRIu64 " waiting lines dropped",
				  lines);
}

/* ---- notes -------------------------------------------------------------- */

static void hold_send_note(struct relay_hold *hold, enum hold_note_kind kind)
{
	struct hold_note note = {
		.from = hold->id,
		.group = hold->group,
		.client = hold->client,
		.kind = kind,
		.members = (uint16_t)hold->members,
		.is_holder = hold_is_holder(hold),
	};
	struct lined_buffer *message = lined_buffer_new(&note, sizeof(note));

	if (message == NULL ||
	    relay_channel_publish(hold->relay, RELAY_NOTES, message) < 0)
		lined_service_log(hold->relay->service, LINED_LOG_WARNING,
				  "hold: %s", strerror(errno));
	lined_buffer_unref(message);
}

/* Counts the members. True: the holder must be told; it need not know of
 * members beyond the second. */
static bool hold_count_members(struct relay_hold *hold)
{
	const struct relay *relay = hold->relay;
	const struct relay_client *newest =
		relay->options->publish_only ? NULL : relay->clients;
	uint64_t client = newest != NULL ? newest->id : 0;
	unsigned members = newest == NULL ? 0 : newest->next == NULL ? 1 : 2;
	bool same = members == hold->members &&
		    (members != 1 || client == hold->client);

	hold->members = members;
	hold->client = client;
	return !same;
}

void relay_hold_members_changed(struct relay *relay)
{
	if (relay->hold != NULL && hold_count_members(relay->hold))
		hold_send_note(relay->hold, NOTE_STATE);
}

/* ---- blocks ------------------------------------------------------------- */

/* Publishes a block without its dropped lines, addressed to one instance, or
 * with 0 to all. */
static void hold_pass_on(struct relay_hold *hold, enum relay_channel channel,
			 const struct relay_message *message, uint32_t dropped,
			 uint64_t to)
{
	struct lined_buffer *copy = relay_message_rest(message, dropped, to);

	if (copy == NULL ||
	    relay_channel_publish(hold->relay, channel, copy) < 0)
		hold_count(hold, "lines_not_relayed", message->count - dropped);
	lined_buffer_unref(copy);
}

static void hold_to_holder(struct relay_hold *hold,
			   const struct relay_message *message,
			   uint32_t dropped)
{
	if (hold->holder != 0)
		hold_pass_on(hold, RELAY_HOLDER, message, dropped,
			     hold->holder);
	else
		hold_pass_on(hold, RELAY_FEED, message, dropped, 0);
}

static void hold_all_to_holder(struct relay_hold *hold,
			       struct hold_queue *queue)
{
	struct hold_entry *entry;

	while ((entry = hold_queue_take(queue)) != NULL) {
		hold_to_holder(hold, &entry->message, entry->dropped);
		hold_entry_free(entry);
	}
}

void relay_hold_publish(struct relay *relay, struct lined_buffer *buffer,
			uint32_t lines)
{
	struct relay_hold *hold = relay->hold;
	struct relay_message message;
	/* A holder is about to begin. */
	bool waits =
		hold != NULL && hold->holder == 0 && relay->options->hold > 0;

	if (hold == NULL || (hold->holder == 0 && !waits)) {
		if (relay_channel_publish(relay, RELAY_FEED, buffer) < 0)
			lined_service_count(relay->service, "lines_not_relayed",
					    lines);
	} else if (relay_message_read(&message, buffer)) {
		if (!waits)
			hold_to_holder(hold, &message, 0);
		else if (hold_queue_add(&hold->pending, &message) < 0)
			hold_count(hold, "lines_not_relayed", lines);
	}
}

/* The oldest lines are dropped to make room, even lines of this block: it may
 * be larger than the option hold. */
static void hold_keep(struct relay_hold *hold,
		      const struct relay_message *message)
{
	size_t size = (size_t)hold->relay->options->hold;

	if (hold_queue_add(&hold->held, message) < 0) {
		hold_count(hold, "held_lines_dropped", message->count);
		return;
	}
	hold_count(hold, "lines_held", message->count);
	while (hold->held.bytes > size) {
		hold_count(hold, "held_lines_dropped", 1);
		hold_queue_drop_line(&hold->held);
	}
}

/* Whether a member other than the sender exists. */
static bool hold_has_reader(const struct relay_hold *hold, uint64_t sender)
{
	bool loopback = hold->relay->options->loopback;
	size_t i;

	for (i = 0; i < hold->instance_count; i++) {
		const struct hold_instance *instance = &hold->instances[i];

		if (instance->members > 1 ||
		    (instance->members == 1 &&
		     (loopback || instance->client != sender)))
			return true;
	}
	return false;
}

static void hold_on_block(void *arg, struct lined_buffer *buffer)
{
	struct relay_hold *hold = arg;
	struct relay_message message;

	if (!relay_message_read(&message, buffer) || message.to != hold->id)
		return;
	/* This instance may no longer be the holder. */
	if (!hold_is_holder(hold))
		hold_to_holder(hold, &message, 0);
	else if (hold_has_reader(hold, message.sender))
		hold_pass_on(hold, RELAY_FEED, &message, 0, 0);
	else
		hold_keep(hold, &message);
}

/* Sends the held lines to an instance with a member, except the lines that this
 * member sent. */
static void hold_release(struct relay_hold *hold,
			 const struct hold_instance *instance)
{
	bool loopback = hold->relay->options->loopback;
	struct hold_queue all = hold->held;
	struct hold_entry *entry;

	if (all.first == NULL)
		return;
	hold_queue_init(&hold->held);
	while ((entry = hold_queue_take(&all)) != NULL) {
		if (entry->message.sender == instance->client && !loopback) {
			hold_queue_push(&hold->held, entry);
			continue;
		}
		hold_pass_on(hold, RELAY_FEED, &entry->message, entry->dropped,
			     instance->id);
		hold_entry_free(entry);
	}
}

struct relay_client *relay_hold_reader(struct relay *relay,
				       const struct relay_message *message)
{
	struct relay_hold *hold = relay->hold;
	struct relay_client *client = relay->clients;

	if (hold == NULL || message->to != hold->id)
		return NULL;
	while (client != NULL && client->id == message->sender &&
	       !relay->options->loopback)
		client = client->next;
	if (client == NULL)
		hold_to_holder(hold, message, 0);
	return client;
}

/* ---- the holder --------------------------------------------------------- */

static struct hold_instance *hold_find(struct relay_hold *hold, uint64_t id)
{
	size_t i;

	for (i = 0; i < hold->instance_count; i++)
		if (hold->instances[i].id == id)
			return &hold->instances[i];
	return NULL;
}

static struct hold_instance *hold_add(struct relay_hold *hold, uint64_t id)
{
	struct hold_instance *instances =
		realloc(hold->instances,
			(hold->instance_count + 1) * sizeof(*instances));

	if (instances == NULL)
		return NULL;
	hold->instances = instances;
	instances[hold->instance_count] = (struct hold_instance){.id = id};
	return &instances[hold->instance_count++];
}

static void hold_remove(struct relay_hold *hold, uint64_t id)
{
	struct hold_instance *instance = hold_find(hold, id);

	if (instance != NULL)
		*instance = hold->instances[--hold->instance_count];
}

/* All instances of this service have sent their state. */
static bool hold_knows_service(const struct relay_hold *hold)
{
	unsigned known = 0;
	size_t i;

	for (i = 0; i < hold->instance_count; i++)
		known += hold->instances[i].group == hold->group;
	return known >= lined_service_workers(hold->relay->service);
}

static void hold_maybe_begin(struct relay_hold *hold)
{
	if (hold->holder != 0 || hold->relay->options->hold == 0 ||
	    !lined_service_is_primary(hold->relay->service) ||
	    !hold_knows_service(hold))
		return;
	hold->holder = hold->id;
	hold_send_note(hold, NOTE_STATE);
	hold_all_to_holder(hold, &hold->pending);
}

/* Another instance is a holder. */
static void hold_on_holder(struct relay_hold *hold, uint64_t other)
{
	if (hold_is_holder(hold) && other > hold->id) {
		hold_send_note(hold, NOTE_STATE);
		return;
	}
	if (hold->holder != 0 && other >= hold->holder)
		return;
	hold->holder = other;
	hold_all_to_holder(hold, &hold->pending);
	hold_all_to_holder(hold, &hold->held);
}

static void hold_on_holder_gone(struct relay_hold *hold, uint64_t other)
{
	if (hold->holder != other)
		return;
	hold->holder = 0;
	hold_maybe_begin(hold);
}

static void hold_on_state(struct relay_hold *hold, const struct hold_note *note)
{
	struct hold_instance *instance = hold_find(hold, note->from);

	if (instance == NULL)
		instance = hold_add(hold, note->from);
	if (instance == NULL)
		return;
	instance->group = note->group;
	instance->client = note->client;
	instance->members = note->members;
	hold_maybe_begin(hold);
	if (hold_is_holder(hold) && instance->members > 0)
		hold_release(hold, instance);
}

static void hold_on_note(void *arg, struct lined_buffer *message)
{
	struct relay_hold *hold = arg;
	struct hold_note note;

	if (lined_buffer_len(message) != sizeof(note))
		return;
	memcpy(&note, lined_buffer_data(message), sizeof(note));
	switch ((enum hold_note_kind)note.kind) {
	case NOTE_ASK:
		hold_send_note(hold, NOTE_STATE);
		break;
	case NOTE_STATE:
		/* The own note may be older than the present state. */
		if (note.from != hold->id) {
			if (note.is_holder)
				hold_on_holder(hold, note.from);
			else
				hold_on_holder_gone(hold, note.from);
		}
		hold_on_state(hold, &note);
		break;
	case NOTE_GONE:
		hold_remove(hold, note.from);
		hold_on_holder_gone(hold, note.from);
		break;
	}
}

/* ---- life --------------------------------------------------------------- */

/* FNV-1a of the service's name. */
static uint64_t hold_group(const char *service)
{
	uint64_t hash = 14695981039346656037u;

	for (; *service != '\0'; service++)
		hash = (hash ^ (unsigned char)*service) * 1099511628211u;
	return hash;
}

int relay_hold_start(struct relay *relay)
{
	struct relay_hold *hold;

	if (relay->options->hold == 0 && relay->topic[0] == '\0')
		return 0;
	hold = calloc(1, sizeof(*hold));
	if (hold == NULL)
		goto fail;
	relay->hold = hold;
	hold->relay = relay;
	hold->group = hold_group(lined_service_name(relay->service));
	hold_queue_init(&hold->held);
	hold_queue_init(&hold->pending);
	if (getrandom(&hold->id, sizeof(hold->id), 0) !=
	    (ssize_t)sizeof(hold->id))
		goto fail;
	hold->id |= 1; /* 0 is no instance */
	hold->notes =
		relay_channel_subscribe(relay, RELAY_NOTES, hold_on_note, hold);
	hold->blocks = relay_channel_subscribe(relay, RELAY_HOLDER,
					       hold_on_block, hold);
	if (hold->notes == NULL || hold->blocks == NULL)
		goto fail;
	hold_count_members(hold);
	hold_send_note(hold, NOTE_ASK);
	return 0;
fail:
	lined_service_log(relay->service, LINED_LOG_ERR, "hold: %s",
			  strerror(errno));
	relay_hold_stop(relay);
	return -1;
}

void relay_hold_stop(struct relay *relay)
{
	struct relay_hold *hold = relay->hold;

	if (hold == NULL)
		return;
	hold_send_note(hold, NOTE_GONE);
	lined_bus_unsubscribe(hold->notes);
	lined_bus_unsubscribe(hold->blocks);
	hold_drop_all(hold, &hold->held);
	hold_drop_all(hold, &hold->pending);
	free(hold->instances);
	free(hold);
	relay->hold = NULL;
}

int relay_hold_reload(struct relay *relay)
{
	struct relay_hold *hold = relay->hold;

	if (hold == NULL)
		return relay_hold_start(relay);
	if (relay->options->hold > 0) {
		hold_maybe_begin(hold);
		return 0;
	}
	if (relay->topic[0] == '\0') {
		relay_hold_stop(relay);
		return 0;
	}
	if (hold_is_holder(hold)) {
		hold->holder = 0;
		hold_send_note(hold, NOTE_STATE);
		hold_drop_all(hold, &hold->held);
	}
	hold_all_to_holder(hold, &hold->pending);
	return 0;
}
