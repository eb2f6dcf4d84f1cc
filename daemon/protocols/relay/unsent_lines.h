/* SPDX-License-Identifier: MIT */
/*
 * Lines that wait for a link, in order. Lines given to the link's socket are
 * kept with the link until they have left: after a lost connection, lines that
 * have not left wait again, before all others.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "relay/batch.h"
#include "relay/connector.h"

struct relay_pending_block;

/* A zeroed struct with a service has no lines. */
struct relay_pending {
	struct lined_service *service; /* charged for the memory */
	struct relay_pending_block *first, *last;
	size_t waiting;        /* bytes of the waiting lines */
	size_t cost;           /* memory of the waiting blocks */
	struct relay_link *to; /* was given lines last; NULL: it has ended */
};

/* Adds a block and takes a reference to its buffer. -1/ENOMEM. */
int relay_pending_add(struct relay_pending *pending,
		      const struct relay_message *message);

/* Gives lines to the link's socket while there is room, and forgets lines that
 * have left. */
void relay_pending_send(struct relay_pending *pending, struct relay_link *link);

/* The connection has ended: lines that have not left wait again. Those that
 * would come behind later lines, which another connection was given, are
 * dropped; returns how many. */
uint64_t relay_pending_return(struct relay_pending *pending,
			      struct relay_link *link);

/* Drops the oldest lines until at most `max` bytes wait, in at most
 * relay_pending_memory_max(max) of memory; returns how many lines. */
uint64_t relay_pending_trim(struct relay_pending *pending, size_t max);

/* Drops about `bytes` of the oldest lines; returns how many lines. */
uint64_t relay_pending_give_up(struct relay_pending *pending, uint64_t bytes);

/* The most memory of waiting lines if `hold` bytes may wait. */
size_t relay_pending_memory_max(size_t hold);

/* How many bytes may wait after adding the next block: `hold`, or while memory
 * is short, as many as wait now. */
size_t relay_pending_most(const struct relay_pending *pending, size_t hold);
