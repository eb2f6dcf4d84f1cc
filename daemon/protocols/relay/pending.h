/* SPDX-License-Identifier: MIT */
/*
 * Lines that wait for a link, in order. Those that were given to its socket are
 * remembered with the link until they have left, so that those that a lost
 * connection took with it wait again, before the others.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "relay/block.h"
#include "relay/link.h"

struct relay_pending_block;

/* Zeroed memory, with a service, has no lines. */
struct relay_pending {
	struct lined_service *service; /* is charged for the memory */
	struct relay_pending_block *first, *last;
	size_t waiting; /* their bytes */
	size_t cost;    /* what the blocks take */
};

/* Adds a block, with a reference to its buffer. -1/ENOMEM. */
int relay_pending_add(struct relay_pending *pending,
		      const struct relay_message *message);

/* Gives lines to the link's socket while there is room, and forgets those that
 * have left. */
void relay_pending_send(struct relay_pending *pending, struct relay_link *link);

/* The connection has ended: the lines that have not left wait again. */
void relay_pending_return(struct relay_pending *pending,
			  struct relay_link *link);

/* Drops the oldest lines until at most `max` bytes wait, and their memory is at
 * most relay_pending_memory_max(); returns how many. */
uint64_t relay_pending_trim(struct relay_pending *pending, size_t max);

/* Drops the oldest lines, about so many bytes; returns how many lines. */
uint64_t relay_pending_give_up(struct relay_pending *pending, uint64_t bytes);

/* The most memory for waiting lines at this `hold`. */
size_t relay_pending_memory_max(size_t hold);

/* How many bytes may wait once the next block is added: `hold`, but where
 * memory is short no more than wait now. */
size_t relay_pending_most(const struct relay_pending *pending, size_t hold);
