/* SPDX-License-Identifier: MIT */
/*
 * Lines that wait for a connector, in order. Lines given to the connector's
 * socket are kept with the connector until they have left: after a lost
 * connection, lines that have not left wait again, before all others.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "relay/batch.h"
#include "relay/connector.h"

struct relay_unsent_batch;

/* A zeroed struct with relay and dropped has no lines. */
struct relay_unsent {
	struct relay *relay;
	const char *dropped; /* the counter of lines that are dropped */
	struct relay_unsent_batch *first, *last;
	size_t waiting;             /* bytes of the waiting lines */
	size_t cost;                /* memory of the waiting batches */
	struct relay_connector *to; /* was given lines last; NULL: it has
				     * ended */
};

/*
 * Adds a batch, takes a reference to its buffer, and sends. While memory is
 * short, no more bytes stay waiting than wait now. If there is no memory for
 * the batch and lines wait, the batch is dropped, because it would pass them.
 * -1/ENOMEM: no line waits, and the caller must send or drop the batch.
 */
int relay_unsent_add(struct relay_unsent *unsent,
		     const struct relay_message *message,
		     struct relay_connector *connector, size_t hold);

/* Gives lines to the connector (NULL: none) while it is open and has room, and
 * forgets lines that have left. Then drops the oldest lines until at most
 * `hold` bytes wait, in at most relay_unsent_memory_max(hold) of memory. */
void relay_unsent_send(struct relay_unsent *unsent,
		       struct relay_connector *connector, size_t hold);

/* The connection has ended: lines that have not left wait again; they are
 * dropped if another connection was already given later lines. */
void relay_unsent_return(struct relay_unsent *unsent,
			 struct relay_connector *connector);

/* Drops about `bytes` of the oldest lines. */
void relay_unsent_give_up(struct relay_unsent *unsent, uint64_t bytes);

/* The most memory of waiting lines if `hold` bytes may wait. */
size_t relay_unsent_memory_max(size_t hold);
