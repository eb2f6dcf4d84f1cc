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

/* Before use, zero the struct and set relay and dropped. */
struct relay_unsent {
	struct relay *relay;
	const char *dropped; /* the counter of lines that are dropped */
	struct relay_unsent_batch *first, *last;
	size_t waiting;             /* bytes of the waiting lines */
	size_t cost;                /* memory of the waiting batches */
	struct relay_connector *to; /* the connector that was given lines
				     * last; NULL: its connection has ended */
};

/*
 * Adds a batch, takes a reference to its buffer, and sends. While memory is
 * short, the number of waiting bytes does not grow. If there is no memory for
 * the batch, and other lines wait, the batch is dropped: it must not overtake
 * them. -1/ENOMEM: no other line waits, and the caller must send or drop the
 * batch.
 */
int relay_unsent_add(struct relay_unsent *unsent,
		     const struct relay_message *message,
		     struct relay_connector *connector, size_t hold);

/* Gives lines to the connector (NULL: none) while it is open and has room, and
 * forgets lines that have left. Then drops the oldest lines until at most
 * `hold` bytes wait, in at most relay_unsent_memory_max(hold) of memory. */
void relay_unsent_send(struct relay_unsent *unsent,
		       struct relay_connector *connector, size_t hold);

/* Call this when the connection has ended. Lines that have not left wait again.
 * They are dropped if another connection was already given later lines. */
void relay_unsent_return(struct relay_unsent *unsent,
			 struct relay_connector *connector);

/* Drops about `bytes` of the oldest lines. */
void relay_unsent_give_up(struct relay_unsent *unsent, uint64_t bytes);

/* The most memory of waiting lines if `hold` bytes may wait. */
size_t relay_unsent_memory_max(size_t hold);
