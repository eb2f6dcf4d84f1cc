/* SPDX-License-Identifier: MIT */
/*
 * Remembers lines until they have left, so that those that a lost connection
 * took with it can be sent again or counted.
 */
#include "relay/pending.h"

#include <stdbool.h>
#include <stdlib.h>

struct relay_pending_block {
	struct relay_pending_block *link;
	struct relay_message message;
	uint32_t first; /* lines before it have left, or were dropped */
	size_t first_at;
	bool given; /* to the socket, as a whole */
};

int relay_pending_add(struct relay_pending *pending,
		      const struct relay_message *message)
{
	struct relay_pending_block *block = calloc(1, sizeof(*block));

	if (block == NULL)
		return -1;
	block->message = *message;
	block->first_at = message->bytes_at;
	lined_buffer_ref(message->buffer);
	if (pending->last != NULL)
		pending->last->link = block;
	else
		pending->first = block;
	pending->last = block;
	pending->waiting += message->bytes;
	return 0;
}

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

/* Takes the block out if it has no line any more. */
static bool pending_remove_empty(struct relay_pending *pending,
				 struct relay_pending_block **place,
				 struct relay_pending_block *before)
{
	struct relay_pending_block *block = *place;

	if (block->first < block->message.count)
		return false;
	*place = block->link;
	if (pending->last == block)
		pending->last = before;
	lined_buffer_unref(block->message.buffer);
	free(block);
	return true;
}

void relay_pending_send(struct relay_pending *pending, struct relay_link *link)
{
	struct relay_pending_block *block;

	for (block = pending->first; block != NULL; block = block->link) {
		if (block->given)
			continue;
		if (!relay_link_send(link, block->message.buffer,
				     block->first_at, pending_bytes(block)))
			return;
		block->given = true;
		pending->waiting -= pending_bytes(block);
	}
}

void relay_pending_sent(struct relay_pending *pending, uint64_t bytes)
{
	struct relay_pending_block *block;

	while ((block = pending->first) != NULL && block->given) {
		if (pending->left + relay_message_line_len(&block->message,
							   block->first) >
		    bytes)
			return;
		pending->left += pending_drop_line(block);
		pending_remove_empty(pending, &pending->first, NULL);
	}
}

void relay_pending_return(struct relay_pending *pending)
{
	struct relay_pending_block *block;

	for (block = pending->first; block != NULL; block = block->link) {
		if (block->given)
			pending->waiting += pending_bytes(block);
		block->given = false;
	}
	pending->left = 0;
}

uint64_t relay_pending_trim(struct relay_pending *pending, size_t max)
{
	struct relay_pending_block **place = &pending->first, *before = NULL;
	uint64_t dropped = 0;

	while (*place != NULL && pending->waiting > max) {
		struct relay_pending_block *block = *place;

		while (!block->given && pending->waiting > max &&
		       block->first < block->message.count) {
			pending->waiting -= pending_drop_line(block);
			dropped++;
		}
		if (pending_remove_empty(pending, place, before))
			continue;
		before = block;
		place = &block->link;
	}
	return dropped;
}
