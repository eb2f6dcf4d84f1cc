/* SPDX-License-Identifier: MIT */
/*
 * Lines on their way to a link, in order: first those that were given to its
 * socket and may not have left, then those that wait.
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
	size_t waiting; /* bytes of lines that wait */
	size_t cost;    /* what the blocks of lines that wait take */
	uint64_t left;  /* bytes of lines that have left, of this connection */
};

/* Adds a block, with a reference to its buffer. -1/ENOMEM. */
int relay_pending_add(struct relay_pending *pending,
		      const struct relay_message *message);

/* Gives lines to the link's socket while there is room. */
void relay_pending_send(struct relay_pending *pending, struct relay_link *link);

/* Forgets the lines that are within the first `bytes` of this connection. */
void relay_pending_sent(struct relay_pending *pending, uint64_t bytes);

/* The connection is lost: the lines that have not left wait again. */
void relay_pending_return(struct relay_pending *pending);

/* Drops the oldest lines that wait until at most `max` bytes do, and their
 * memory is at most relay_pending_memory_max(); returns how many. */
uint64_t relay_pending_trim(struct relay_pending *pending, size_t max);

/* Drops the oldest lines that wait, about so many bytes; returns how many
 * lines. */
uint64_t relay_pending_give_up(struct relay_pending *pending, uint64_t bytes);

/* The most memory for waiting lines at this `hold`. */
size_t relay_pending_memory_max(size_t hold);

/* How many bytes may wait once the next block is added: `hold`, but where
 * memory is short no more than wait now. */
size_t relay_pending_most(const struct relay_pending *pending, size_t hold);
