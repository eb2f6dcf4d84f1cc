/* SPDX-License-Identifier: MIT */
/*
 * Blocks that wait, in the order they came.
 */
#ifndef RELAY_HOLD_QUEUE_H
#define RELAY_HOLD_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "relay/block.h"

/* A block; its first lines may have been dropped. */
struct hold_entry {
	struct hold_entry *next;
	struct relay_message message;
	uint32_t dropped;
	size_t bytes; /* of the rest, with head and table */
};

struct hold_queue {
	struct hold_entry *first, **last;
	size_t bytes;
};

void hold_queue_init(struct hold_queue *queue);

/* Adds a block, with a reference to its buffer. -1/ENOMEM. */
int hold_queue_add(struct hold_queue *queue,
		   const struct relay_message *message);

/* push appends an entry. take removes the first entry, which the caller then
 * owns; NULL: the queue is empty. */
void hold_queue_push(struct hold_queue *queue, struct hold_entry *entry);
struct hold_entry *hold_queue_take(struct hold_queue *queue);

/* Drops the oldest line of a queue that is not empty. */
void hold_queue_drop_line(struct hold_queue *queue);

/* The lines that are left. */
uint32_t hold_entry_lines(const struct hold_entry *entry);
void hold_entry_free(struct hold_entry *entry);

#endif
