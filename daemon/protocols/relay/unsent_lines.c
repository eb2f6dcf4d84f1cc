/* SPDX-License-Identifier: MIT */
/*
 * Keeps lines until they have left, so that lines which a lost connection did
 * not send can be sent again or counted.
 */
#include "relay/unsent_lines.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "relay/relay.h"

/* Bytes that malloc() and the buffer's struct add to a batch. */
#define BATCH_COST 128

/* The memory of waiting lines: at most twice their bytes plus this. */
#define COST_SPARE 16384

/*
 * Most batches that wait are small, with as much overhead as content: they are
 * joined into batches of this size.
 */
#define JOIN_LINES 128u
#define JOIN_AT    (JOIN_LINES * sizeof(struct relay_lengths))
#define JOIN_BYTES (4096 - JOIN_AT - BATCH_COST)

struct relay_unsent_batch {
	struct relay_unsent_batch *next;
	struct relay_message message;
	uint32_t first; /* index of the first line that has neither left nor
			 * been dropped */
	size_t first_at;
	uint64_t at; /* if given: offset of line `first` in the stream */
	bool late;   /* given; later lines went to another connection */
	char *join;  /* the buffer's bytes, if lines may be added */
};

/* The memory of a batch, with malloc()'s overhead. */
static size_t unsent_cost(const struct relay_unsent_batch *batch)
{
	return sizeof(*batch) + BATCH_COST +
	       lined_buffer_len(batch->message.buffer);
}

/* ---- joining ------------------------------------------------------------- */

/* Adds the lines to the batch's buffer. False: no room. */
static bool unsent_join(struct relay_unsent_batch *batch,
			const struct relay_message *message)
{
	const char *data = lined_buffer_data(message->buffer);
	struct relay_message *to = &batch->message;

	if (batch->join == NULL || message->count > JOIN_LINES - to->count ||
	    message->bytes > JOIN_BYTES - to->bytes)
		return false;
	memcpy(batch->join + to->count * sizeof(struct relay_lengths),
	       data + message->lengths_at,
	       message->count * sizeof(struct relay_lengths));
	memcpy(batch->join + to->bytes_at + to->bytes, data + message->bytes_at,
	       message->bytes);
	to->count += message->count;
	to->bytes += message->bytes;
	to->ends |= message->ends;
	return true;
}

/* Starts a batch with these lines. More lines can be added to it. The lengths
 * precede the lines. NULL: too many lines, or no memory. */
static struct lined_buffer *
unsent_new_joined(struct relay_unsent_batch *batch,
		  const struct relay_message *message)
{
	struct lined_buffer *buffer;

	if (message->count > JOIN_LINES / 4 || message->bytes > JOIN_BYTES / 4)
		return NULL;
	buffer = lined_buffer_alloc(JOIN_AT + JOIN_BYTES, &batch->join);
	if (buffer == NULL)
		return NULL;
	batch->message =
		(struct relay_message){.buffer = buffer, .bytes_at = JOIN_AT};
	unsent_join(batch, message);
	return buffer;
}

/* ---- lines --------------------------------------------------------------- */

/* Adds a batch at the end, and takes a reference to its buffer. -1/ENOMEM. */
static int unsent_append(struct relay_unsent *unsent,
			 const struct relay_message *message)
{
	struct relay_unsent_batch *batch = unsent->last;
	struct lined_buffer *joined = NULL;

	/* A batch is copied only while other lines wait: such a batch could not
	 * leave at once anyway. */
	if (unsent->waiting > 0 && unsent_join(batch, message)) {
		unsent->waiting += message->bytes;
		return 0;
	}
	batch = calloc(1, sizeof(*batch));
	if (batch == NULL)
		return -1;
	if (unsent->waiting > 0)
		joined = unsent_new_joined(batch, message);
	if (joined == NULL)
		batch->message = *message;
	batch->first_at = batch->message.bytes_at;
	lined_service_keep(unsent->relay->service, batch->message.buffer);
	lined_service_charge(unsent->relay->service, sizeof(*batch));
	lined_buffer_unref(joined);
	if (unsent->last != NULL)
		unsent->last->next = batch;
	else
		unsent->first = batch;
	unsent->last = batch;
	unsent->waiting += message->bytes;
	unsent->cost += unsent_cost(batch);
	return 0;
}

/* The bytes of lines not yet sent. */
static size_t unsent_bytes(const struct relay_unsent_batch *batch)
{
	return batch->message.bytes_at + batch->message.bytes - batch->first_at;
}

static size_t unsent_drop_line(struct relay_unsent_batch *batch)
{
	size_t len = relay_message_line_len(&batch->message, batch->first);

	batch->first++;
	batch->first_at += len;
	return len;
}

static void unsent_free_batch(struct relay_unsent *unsent,
			      struct relay_unsent_batch *batch)
{
	lined_service_charge(unsent->relay->service, -(int64_t)sizeof(*batch));
	lined_service_unkeep(unsent->relay->service, batch->message.buffer);
	free(batch);
}

/* Takes the first waiting batch. */
static struct relay_unsent_batch *unsent_take(struct relay_unsent *unsent)
{
	struct relay_unsent_batch *batch = unsent->first;

	unsent->first = batch->next;
	if (unsent->first == NULL)
		unsent->last = NULL;
	unsent->waiting -= unsent_bytes(batch);
	unsent->cost -= unsent_cost(batch);
	batch->next = NULL;
	return batch;
}

/* Forgets the lines that have left. */
static void unsent_forget(struct relay_unsent *unsent,
			  struct relay_connector *connector)
{
	uint64_t sent =
		connector->given != NULL ? relay_connector_sent(connector) : 0;
	struct relay_unsent_batch *batch;

	while ((batch = connector->given) != NULL) {
		while (batch->first < batch->message.count &&
		       batch->at + relay_message_line_len(&batch->message,
							  batch->first) <=
			       sent)
			batch->at += unsent_drop_line(batch);
		if (batch->first < batch->message.count)
			return;
		connector->given = batch->next;
		unsent_free_batch(unsent, batch);
	}
}

/* From now on this connector gets the lines. Lines that the previous connector
 * has not sent are late: they must not be sent after later lines. */
static void unsent_turn_to(struct relay_unsent *unsent,
			   struct relay_connector *connector)
{
	struct relay_unsent_batch *batch;

	if (unsent->to == connector)
		return;
	batch = unsent->to != NULL ? unsent->to->given : NULL;
	for (; batch != NULL; batch = batch->next)
		batch->late = true;
	unsent->to = connector;
}

/* Gives lines to the connector while it has room. */
static void unsent_give(struct relay_unsent *unsent,
			struct relay_connector *connector)
{
	struct relay_unsent_batch *batch;

	unsent_forget(unsent, connector);
	while ((batch = unsent->first) != NULL) {
		batch->at = relay_connector_given(connector);
		if (!relay_connector_send(connector, batch->message.buffer,
					  batch->first_at, unsent_bytes(batch)))
			return;
		unsent_turn_to(unsent, connector);
		unsent_take(unsent);
		if (connector->given != NULL)
			connector->given_last->next = batch;
		else
			connector->given = batch;
		connector->given_last = batch;
	}
}

void relay_unsent_return(struct relay_unsent *unsent,
			 struct relay_connector *connector)
{
	struct relay_unsent_batch *batch;
	uint64_t dropped = 0;

	if (unsent->to == connector)
		unsent->to = NULL;
	unsent_forget(unsent, connector);
	while ((batch = connector->given) != NULL && batch->late) {
		dropped += batch->message.count - batch->first;
		connector->given = batch->next;
		unsent_free_batch(unsent, batch);
	}
	relay_count(unsent->relay, unsent->dropped, dropped);
	if (connector->given == NULL)
		return;
	for (batch = connector->given; batch != NULL; batch = batch->next) {
		unsent->waiting += unsent_bytes(batch);
		unsent->cost += unsent_cost(batch);
	}
	connector->given_last->next = unsent->first;
	if (unsent->first == NULL)
		unsent->last = connector->given_last;
	unsent->first = connector->given;
	connector->given = NULL;
}

size_t relay_unsent_memory_max(size_t hold)
{
	return 2 * hold + COST_SPARE;
}

void relay_unsent_send(struct relay_unsent *unsent,
		       struct relay_connector *connector, size_t hold)
{
	size_t cost = relay_unsent_memory_max(hold);
	struct relay_unsent_batch *batch;
	uint64_t dropped = 0;

	if (connector != NULL && relay_connector_is_open(connector))
		unsent_give(unsent, connector);
	while ((batch = unsent->first) != NULL &&
	       (unsent->waiting > hold || unsent->cost > cost)) {
		unsent->waiting -= unsent_drop_line(batch);
		dropped++;
		if (batch->first == batch->message.count)
			unsent_free_batch(unsent, unsent_take(unsent));
	}
	relay_count(unsent->relay, unsent->dropped, dropped);
}

int relay_unsent_add(struct relay_unsent *unsent,
		     const struct relay_message *message,
		     struct relay_connector *connector, size_t hold)
{
	size_t waiting = unsent->waiting;

	if (waiting < hold &&
	    !lined_service_may_keep(unsent->relay->service, 0))
		hold = waiting;
	if (unsent_append(unsent, message) < 0) {
		if (waiting == 0)
			return -1;
		relay_count(unsent->relay, unsent->dropped, message->count);
		return 0;
	}
	relay_unsent_send(unsent, connector, hold);
	return 0;
}

void relay_unsent_give_up(struct relay_unsent *unsent, uint64_t bytes)
{
	relay_unsent_send(
		unsent, NULL,
		unsent->waiting > bytes ? unsent->waiting - (size_t)bytes : 0);
}
