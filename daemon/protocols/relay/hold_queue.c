/* SPDX-License-Identifier: MIT */
/*
 * A queue of blocks. hold.c decides when they leave and where they are sent.
 */
#include "relay/hold_queue.h"

#include <stdlib.h>

void hold_queue_init(struct hold_queue *queue)
{
	queue->first = NULL;
	queue->last = &queue->first;
	queue->bytes = 0;
}

void hold_queue_push(struct hold_queue *queue, struct hold_entry *entry)
{
	entry->next = NULL;
	*queue->last = entry;
	queue->last = &entry->next;
	queue->bytes += entry->bytes;
}

int hold_queue_add(struct hold_queue *queue,
		   const struct relay_message *message)
{
	struct hold_entry *entry = malloc(sizeof(*entry));

	if (entry == NULL)
		return -1;
	entry->message = *message;
	lined_buffer_ref(message->buffer);
	entry->dropped = 0;
	entry->bytes = lined_buffer_len(message->buffer);
	hold_queue_push(queue, entry);
	return 0;
}

struct hold_entry *hold_queue_take(struct hold_queue *queue)
{
	struct hold_entry *entry = queue->first;

	if (entry == NULL)
		return NULL;
	queue->first = entry->next;
	if (queue->first == NULL)
		queue->last = &queue->first;
	queue->bytes -= entry->bytes;
	return entry;
}

void hold_queue_drop_line(struct hold_queue *queue)
{
	struct hold_entry *oldest = queue->first;
	size_t len = relay_message_line_len(&oldest->message, oldest->dropped) +
		     sizeof(uint32_t);

	oldest->dropped++;
	oldest->bytes -= len;
	queue->bytes -= len;
	if (hold_entry_lines(oldest) == 0)
		hold_entry_free(hold_queue_take(queue));
}

uint32_t hold_entry_lines(const struct hold_entry *entry)
{
	return entry->message.count - entry->dropped;
}

void hold_entry_free(struct hold_entry *entry)
{
	lined_buffer_unref(entry->message.buffer);
	free(entry);
}
