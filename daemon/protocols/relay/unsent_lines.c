/* SPDX-License-Identifier: MIT */
/*
 * Keeps lines until they have left, so that lines which a lost connection did
 * not send can be sent again or counted.
 */
#include "relay/unsent_lines.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that malloc() and the buffer's struct add to a block. */
#define BLOCK_COST 128

/* The memory of waiting lines: at most twice their bytes plus this. */
#define COST_SPARE 16384

/*
 * Most blocks that wait are small, with as much overhead as content: they are
 * joined into blocks of this size.
 */
#define JOIN_LINES 128u
#define JOIN_AT    (JOIN_LINES * sizeof(struct relay_lengths))
#define JOIN_BYTES (4096 - JOIN_AT - BLOCK_COST)

struct relay_pending_block {
	struct relay_pending_block *link;
	struct relay_message message;
	uint32_t first; /* lines before it have left or were dropped */
	size_t first_at;
	uint64_t at; /* if given: the first line's offset in the connection */
	bool late;   /* given; later lines went to another connection */
	char *join;  /* the buffer's bytes, if lines may be added */
};

/* The memory of a block, with malloc()'s overhead. */
static size_t pending_cost(const struct relay_pending_block *block)
{
	return sizeof(*block) + BLOCK_COST +
	       lined_buffer_len(block->message.buffer);
}

/* ---- joining ------------------------------------------------------------- */

/* Adds the lines to the block's buffer. False: no room. */
static bool pending_join(struct relay_pending_block *block,
			 const struct relay_message *message)
{
	const char *data = lined_buffer_data(message->buffer);
	struct relay_message *to = &block->message;

	if (block->join == NULL || message->count > JOIN_LINES - to->count ||
	    message->bytes > JOIN_BYTES - to->bytes)
		return false;
	memcpy(block->join + to->count * sizeof(struct relay_lengths),
	       data + message->lengths_at,
	       message->count * sizeof(struct relay_lengths));
	memcpy(block->join + to->bytes_at + to->bytes, data + message->bytes_at,
	       message->bytes);
	to->count += message->count;
	to->bytes += message->bytes;
	to->ends |= message->ends;
	return true;
}

/* Starts a block with these lines, to which more can be added; the lengths
 * precede the lines. NULL: too many lines, or no memory. */
static struct lined_buffer *
pending_new_joined(struct relay_pending_block *block,
		   const struct relay_message *message)
{
	struct lined_buffer *buffer;

	if (message->count > JOIN_LINES / 4 || message->bytes > JOIN_BYTES / 4)
		return NULL;
	buffer = lined_buffer_alloc(JOIN_AT + JOIN_BYTES, &block->join);
	if (buffer == NULL)
		return NULL;
	block->message =
		(struct relay_message){.buffer = buffer, .bytes_at = JOIN_AT};
	pending_join(block, message);
	return buffer;
}

/* ---- lines --------------------------------------------------------------- */

int relay_pending_add(struct relay_pending *pending,
		      const struct relay_message *message)
{
	struct relay_pending_block *block = pending->last;
	struct lined_buffer *joined = NULL;

	/* A block is copied only if other lines wait before it: it could not
	 * leave at once anyway. */
	if (pending->waiting > 0 && pending_join(block, message)) {
		pending->waiting += message->bytes;
		return 0;
	}
	block = calloc(1, sizeof(*block));
	if (block == NULL)
		return -1;
	if (pending->waiting > 0)
		joined = pending_new_joined(block, message);
	if (joined == NULL)
		block->message = *message;
	block->first_at = block->message.bytes_at;
	lined_service_keep(pending->service, block->message.buffer);
	lined_service_charge(pending->service, sizeof(*block));
	lined_buffer_unref(joined);
	if (pending->last != NULL)
		pending->last->link = block;
	else
		pending->first = block;
	pending->last = block;
	pending->waiting += message->bytes;
	pending->cost += pending_cost(block);
	return 0;
}

/* The bytes of lines not yet sent. */
static size_t pending_bytes(const struct relay_pending_block *block)
{
	return block->message.bytes_at + block->message.bytes - block->first_at;
}

static size_t pending_drop_line(struct relay_pending_block *block)
{
	size_t len = relay_message_line_len(&block->message, block->first);

	block->first++;
	block->first_at += len;
	return len;
}

static void pending_free_block(struct relay_pending *pending,
			       struct relay_pending_block *block)
{
	lined_service_charge(pending->service, -(int64_t)sizeof(*block));
	lined_service_unkeep(pending->service, block->message.buffer);
	free(block);
}

/* Takes the first waiting block. */
static struct relay_pending_block *pending_take(struct relay_pending *pending)
{
	struct relay_pending_block *block = pending->first;

	pending->first = block->link;
	if (pending->first == NULL)
		pending->last = NULL;
	pending->waiting -= pending_bytes(block);
	pending->cost -= pending_cost(block);
	block->link = NULL;
	return block;
}

/* Forgets the lines that have left. */
static void pending_forget(struct relay_pending *pending,
			   struct relay_link *link)
{
	uint64_t sent = link->given != NULL ? relay_link_sent(link) : 0;
	struct relay_pending_block *block;

	while ((block = link->given) != NULL) {
		while (block->first < block->message.count &&
		       block->at + relay_message_line_len(&block->message,
							  block->first) <=
			       sent)
			block->at += pending_drop_line(block);
		if (block->first < block->message.count)
			return;
		link->given = block->link;
		pending_free_block(pending, block);
	}
}

/* From now on the link gets the lines, and not the one before: what this one
 * does not send must not come behind later lines. */
static void pending_turn_to(struct relay_pending *pending,
			    struct relay_link *link)
{
	struct relay_pending_block *block;

	if (pending->to == link)
		return;
	block = pending->to != NULL ? pending->to->given : NULL;
	for (; block != NULL; block = block->link)
		block->late = true;
	pending->to = link;
}

void relay_pending_send(struct relay_pending *pending, struct relay_link *link)
{
	struct relay_pending_block *block;

	pending_forget(pending, link);
	while ((block = pending->first) != NULL) {
		block->at = relay_link_given(link);
		if (!relay_link_send(link, block->message.buffer,
				     block->first_at, pending_bytes(block)))
			return;
		pending_turn_to(pending, link);
		pending_take(pending);
		if (link->given != NULL)
			link->given_last->link = block;
		else
			link->given = block;
		link->given_last = block;
	}
}

uint64_t relay_pending_return(struct relay_pending *pending,
			      struct relay_link *link)
{
	struct relay_pending_block *block;
	uint64_t dropped = 0;

	if (pending->to == link)
		pending->to = NULL;
	pending_forget(pending, link);
	while ((block = link->given) != NULL && block->late) {
		dropped += block->message.count - block->first;
		link->given = block->link;
		pending_free_block(pending, block);
	}
	if (link->given == NULL)
		return dropped;
	for (block = link->given; block != NULL; block = block->link) {
		pending->waiting += pending_bytes(block);
		pending->cost += pending_cost(block);
	}
	link->given_last->link = pending->first;
	if (pending->first == NULL)
		pending->last = link->given_last;
	pending->first = link->given;
	link->given = NULL;
	return dropped;
}

size_t relay_pending_memory_max(size_t hold)
{
	return 2 * hold + COST_SPARE;
}

size_t relay_pending_most(const struct relay_pending *pending, size_t hold)
{
	return pending->waiting > hold ||
			       lined_service_may_keep(pending->service, 0)
		       ? hold
		       : pending->waiting;
}

uint64_t relay_pending_trim(struct relay_pending *pending, size_t max)
{
	size_t cost = relay_pending_memory_max(max);
	struct relay_pending_block *block;
	uint64_t dropped = 0;

	while ((block = pending->first) != NULL &&
	       (pending->waiting > max || pending->cost > cost)) {
		pending->waiting -= pending_drop_line(block);
		dropped++;
		if (block->first == block->message.count)
			pending_free_block(pending, pending_take(pending));
	}
	return dropped;
}

uint64_t relay_pending_give_up(struct relay_pending *pending, uint64_t bytes)
{
	return relay_pending_trim(pending,
				  pending->waiting > bytes
					  ? pending->waiting - (size_t)bytes
					  : 0);
}
