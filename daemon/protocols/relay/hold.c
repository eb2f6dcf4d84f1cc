/* SPDX-License-Identifier: MIT */
/*
 * hold: lines that nobody is there to get wait for the first who comes. One
 * instance of a feed keeps, the keeper: what is published goes to it, and it
 * passes it on to the feed, or keeps it. So one place decides, whatever the
 * number of workers, and what was kept goes out before what comes after.
 *
 * A feed without hold has no keeper and none of this.
 */
#include "relay/hold.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "relay/channel.h"
#include "relay/relay.h"

enum note_kind {
	NOTE_ASK,     /* an instance has begun: who is there, who keeps? */
	NOTE_MEMBERS, /* of `from`: none, one or more, `client` came last */
	NOTE_KEEPS,   /* `from` keeps */
	NOTE_ENDS,    /* `from` keeps no more */
	NOTE_GONE,    /* `from` has ended */
};

/* What goes over the channel RELAY_NOTES. */
struct note {
	uint64_t from;
	uint64_t group; /* of all instances of one service */
	uint64_t client;
	uint32_t kind, count;
};

/* An instance as its last note has it; counts are 0, 1, and 2 for more. */
struct instance {
	uint64_t id, group, client;
	uint32_t count;
};

/* A block, of which the first lines may have gone. */
struct kept {
	struct kept *next;
	struct relay_message message;
	uint32_t gone;
	size_t bytes; /* of the rest, with its head and table */
};

struct shelf {
	struct kept *first, **last;
	size_t bytes;
};

struct relay_hold {
	struct relay *relay;
	uint64_t id, group;
	uint64_t keeper; /* 0: none, or not known yet */
	struct lined_subscription *notes, *blocks;
	uint32_t told; /* members, as this instance told last */
	uint64_t told_client;
	struct instance *instances;
	size_t instance_count;
	struct shelf kept;    /* of the keeper */
	struct shelf pending; /* published before the keeper was known */
};

/* ---- shelves ------------------------------------------------------------ */

static void shelf_init(struct shelf *shelf)
{
	shelf->first = NULL;
	shelf->last = &shelf->first;
	shelf->bytes = 0;
}

static void shelf_put(struct shelf *shelf, struct kept *kept)
{
	kept->next = NULL;
	*shelf->last = kept;
	shelf->last = &kept->next;
	shelf->bytes += kept->bytes;
}

static int shelf_add(struct shelf *shelf, const struct relay_message *message)
{
	struct kept *kept = malloc(sizeof(*kept));

	if (kept == NULL)
		return -1;
	kept->message = *message;
	lined_buffer_ref(message->buffer);
	kept->gone = 0;
	kept->bytes = lined_buffer_len(message->buffer);
	shelf_put(shelf, kept);
	return 0;
}

static struct kept *shelf_take(struct shelf *shelf)
{
	struct kept *kept = shelf->first;

	if (kept == NULL)
		return NULL;
	shelf->first = kept->next;
	if (shelf->first == NULL)
		shelf->last = &shelf->first;
	shelf->bytes -= kept->bytes;
	return kept;
}

static uint32_t kept_lines(const struct kept *kept)
{
	return kept->message.count - kept->gone;
}

static void kept_free(struct kept *kept)
{
	lined_buffer_unref(kept->message.buffer);
	free(kept);
}

static void count_lines(const struct relay_hold *hold, const char *name,
			uint32_t lines)
{
	lined_service_count(hold->relay->service, name, lines);
}

static void shelf_drop(struct relay_hold *hold, struct shelf *shelf)
{
	struct kept *kept;
	uint64_t lines = 0;

	while ((kept = shelf_take(shelf)) != NULL) {
		lines += kept_lines(kept);
		count_lines(hold, "held_lines_dropped", kept_lines(kept));
		kept_free(kept);
	}
	if (lines > 0)
		lined_service_log(hold->relay->service, LINED_LOG_WARNING,
				  "hold: %" PRIu64 " lines went to nobody",
				  lines);
}

/* ---- notes -------------------------------------------------------------- */

static void tell(struct relay_hold *hold, enum note_kind kind)
{
	struct note note = {
		.from = hold->id,
		.group = hold->group,
		.client = hold->told_client,
		.kind = kind,
		.count = hold->told,
	};
	struct lined_buffer *message = lined_buffer_new(&note, sizeof(note));

	if (message == NULL ||
	    relay_channel_publish(hold->relay, RELAY_NOTES, message) < 0)
		lined_service_log(hold->relay->service, LINED_LOG_WARNING,
				  "hold: %s", strerror(errno));
	lined_buffer_unref(message);
}

/* Beyond the second client the keeper need not know. */
static bool look_at_members(struct relay_hold *hold)
{
	const struct relay *relay = hold->relay;
	const struct relay_client *newest =
		relay->options->publish_only ? NULL : relay->clients;
	uint64_t client = newest != NULL ? newest->id : 0;
	uint32_t count = newest == NULL ? 0 : newest->next == NULL ? 1 : 2;
	bool same = count == hold->told &&
		    (count != 1 || client == hold->told_client);

	hold->told = count;
	hold->told_client = client;
	return !same;
}

void relay_hold_members_changed(struct relay *relay)
{
	if (relay->hold != NULL && look_at_members(relay->hold))
		tell(relay->hold, NOTE_MEMBERS);
}

/* ---- blocks ------------------------------------------------------------- */

static bool keeps(const struct relay_hold *hold)
{
	return hold->keeper == hold->id;
}

/* To whom: an instance, or 0 for everybody. Without the lines that are gone. */
static void pass_on(struct relay_hold *hold, enum relay_channel channel,
		    const struct relay_message *message, uint32_t gone,
		    uint64_t to)
{
	struct lined_buffer *copy = relay_message_rest(message, gone, to);

	if (copy == NULL ||
	    relay_channel_publish(hold->relay, channel, copy) < 0)
		count_lines(hold, "lines_not_relayed", message->count - gone);
	lined_buffer_unref(copy);
}

static void to_keeper(struct relay_hold *hold,
		      const struct relay_message *message, uint32_t gone)
{
	if (hold->keeper != 0)
		pass_on(hold, RELAY_HOLDER, message, gone, hold->keeper);
	else
		pass_on(hold, RELAY_FEED, message, gone, 0);
}

void relay_hold_publish(struct relay *relay, struct lined_buffer *buffer,
			uint32_t lines)
{
	struct relay_hold *hold = relay->hold;
	struct relay_message message;
	bool waits =
		hold != NULL && hold->keeper == 0 && relay->options->hold > 0;

	if (hold == NULL || (hold->keeper == 0 && !waits)) {
		if (relay_channel_publish(relay, RELAY_FEED, buffer) < 0)
			lined_service_count(relay->service, "lines_not_relayed",
					    lines);
	} else if (relay_message_read(&message, buffer)) {
		/* It waits where the keeper is about to begin. */
		if (!waits)
			to_keeper(hold, &message, 0);
		else if (shelf_add(&hold->pending, &message) < 0)
			count_lines(hold, "lines_not_relayed", lines);
	}
}

/* The oldest line; with the last one its block. */
static void drop_line(struct relay_hold *hold, struct shelf *shelf)
{
	struct kept *oldest = shelf->first;
	size_t len = relay_message_line_len(&oldest->message, oldest->gone) +
		     sizeof(uint32_t);

	count_lines(hold, "held_lines_dropped", 1);
	oldest->gone++;
	oldest->bytes -= len;
	shelf->bytes -= len;
	if (kept_lines(oldest) == 0)
		kept_free(shelf_take(shelf));
}

/* The oldest go where the newest have no room, of this block, too: one that
 * came in one go may be more than all the room there is. */
static void keep(struct relay_hold *hold, const struct relay_message *message)
{
	size_t size = (size_t)hold->relay->options->hold;

	if (shelf_add(&hold->kept, message) < 0) {
		count_lines(hold, "held_lines_dropped", message->count);
		return;
	}
	count_lines(hold, "lines_held", message->count);
	while (hold->kept.bytes > size)
		drop_line(hold, &hold->kept);
}

/* Somebody is there, and not just who sent it. */
static bool has_reader(const struct relay_hold *hold, uint64_t sender)
{
	bool loopback = hold->relay->options->loopback;
	size_t i;

	for (i = 0; i < hold->instance_count; i++) {
		const struct instance *instance = &hold->instances[i];

		if (instance->count > 1 ||
		    (instance->count == 1 &&
		     (loopback || instance->client != sender)))
			return true;
	}
	return false;
}

static void take_block(void *arg, struct lined_buffer *buffer)
{
	struct relay_hold *hold = arg;
	struct relay_message message;

	if (!relay_message_read(&message, buffer) || message.to != hold->id)
		return;
	/* It may have been on its way when this instance ceased to keep. */
	if (!keeps(hold))
		to_keeper(hold, &message, 0);
	else if (has_reader(hold, message.sender))
		pass_on(hold, RELAY_FEED, &message, 0, 0);
	else
		keep(hold, &message);
}

/* What is kept goes to where somebody came, but not to who sent it. */
static void give(struct relay_hold *hold, const struct instance *instance)
{
	bool loopback = hold->relay->options->loopback;
	struct shelf own;
	struct kept *kept;

	shelf_init(&own);
	while ((kept = shelf_take(&hold->kept)) != NULL) {
		if (kept->message.sender == instance->client && !loopback) {
			shelf_put(&own, kept);
			continue;
		}
		pass_on(hold, RELAY_FEED, &kept->message, kept->gone,
			instance->id);
		kept_free(kept);
	}
	hold->kept = own;
	if (own.first == NULL)
		hold->kept.last = &hold->kept.first;
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
		to_keeper(hold, message, 0);
	return client;
}

/* ---- who keeps ---------------------------------------------------------- */

static struct instance *find_instance(struct relay_hold *hold, uint64_t id)
{
	size_t i;

	for (i = 0; i < hold->instance_count; i++)
		if (hold->instances[i].id == id)
			return &hold->instances[i];
	return NULL;
}

static struct instance *add_instance(struct relay_hold *hold, uint64_t id)
{
	struct instance *instances =
		realloc(hold->instances,
			(hold->instance_count + 1) * sizeof(*instances));

	if (instances == NULL)
		return NULL;
	hold->instances = instances;
	instances[hold->instance_count] = (struct instance){.id = id};
	return &instances[hold->instance_count++];
}

static void remove_instance(struct relay_hold *hold, uint64_t id)
{
	struct instance *instance = find_instance(hold, id);

	if (instance != NULL)
		*instance = hold->instances[--hold->instance_count];
}

/* Of this service's instances all have said who is there. */
static bool knows_all(const struct relay_hold *hold)
{
	unsigned heard = 0;
	size_t i;

	for (i = 0; i < hold->instance_count; i++)
		heard += hold->instances[i].group == hold->group;
	return heard >= lined_service_workers(hold->relay->service);
}

static void keeper_known(struct relay_hold *hold)
{
	struct kept *kept;

	while ((kept = shelf_take(&hold->pending)) != NULL) {
		to_keeper(hold, &kept->message, kept->gone);
		kept_free(kept);
	}
}

static void maybe_begin(struct relay_hold *hold)
{
	if (hold->keeper != 0 || hold->relay->options->hold == 0 ||
	    !lined_service_is_primary(hold->relay->service) || !knows_all(hold))
		return;
	hold->keeper = hold->id;
	tell(hold, NOTE_KEEPS);
	keeper_known(hold);
}

/* Of two the lower number keeps. */
static void heard_keeper(struct relay_hold *hold, uint64_t other)
{
	bool kept = keeps(hold);
	struct kept *block;

	if (kept && other > hold->id) {
		tell(hold, NOTE_KEEPS);
		return;
	}
	if (hold->keeper != 0 && other >= hold->keeper)
		return;
	hold->keeper = other;
	keeper_known(hold);
	while (kept && (block = shelf_take(&hold->kept)) != NULL) {
		to_keeper(hold, &block->message, block->gone);
		kept_free(block);
	}
}

static void heard_members(struct relay_hold *hold, const struct note *note)
{
	struct instance *instance = find_instance(hold, note->from);

	if (instance == NULL)
		instance = add_instance(hold, note->from);
	if (instance == NULL)
		return;
	instance->group = note->group;
	instance->client = note->client;
	instance->count = note->count;
	maybe_begin(hold);
	if (keeps(hold) && instance->count > 0)
		give(hold, instance);
}

static void take_note(void *arg, struct lined_buffer *message)
{
	struct relay_hold *hold = arg;
	struct note note;

	if (lined_buffer_len(message) != sizeof(note))
		return;
	memcpy(&note, lined_buffer_data(message), sizeof(note));
	switch ((enum note_kind)note.kind) {
	case NOTE_ASK:
		tell(hold, NOTE_MEMBERS);
		if (keeps(hold))
			tell(hold, NOTE_KEEPS);
		break;
	case NOTE_MEMBERS:
		heard_members(hold, &note);
		break;
	case NOTE_KEEPS:
		heard_keeper(hold, note.from);
		break;
	case NOTE_GONE:
		remove_instance(hold, note.from);
		/* fall through */
	case NOTE_ENDS:
		if (hold->keeper == note.from) {
			hold->keeper = 0;
			maybe_begin(hold);
		}
		break;
	}
}

/* ---- life --------------------------------------------------------------- */

static uint64_t group_of(const char *service)
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
	hold->group = group_of(lined_service_name(relay->service));
	shelf_init(&hold->kept);
	shelf_init(&hold->pending);
	if (getrandom(&hold->id, sizeof(hold->id), 0) !=
	    (ssize_t)sizeof(hold->id))
		goto fail;
	hold->id |= 1; /* 0 is nobody */
	hold->notes =
		relay_channel_subscribe(relay, RELAY_NOTES, take_note, hold);
	hold->blocks =
		relay_channel_subscribe(relay, RELAY_HOLDER, take_block, hold);
	if (hold->notes == NULL || hold->blocks == NULL)
		goto fail;
	look_at_members(hold);
	tell(hold, NOTE_ASK);
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
	tell(hold, NOTE_GONE);
	lined_bus_unsubscribe(hold->notes);
	lined_bus_unsubscribe(hold->blocks);
	shelf_drop(hold, &hold->kept);
	shelf_drop(hold, &hold->pending);
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
		maybe_begin(hold);
		return 0;
	}
	if (relay->topic[0] == '\0') {
		relay_hold_stop(relay);
		return 0;
	}
	if (keeps(hold)) {
		hold->keeper = 0;
		tell(hold, NOTE_ENDS);
		shelf_drop(hold, &hold->kept);
	}
	keeper_known(hold);
	return 0;
}
