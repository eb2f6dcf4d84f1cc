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

/* A zeroed struct with a service has no lines. */
struct relay_unsent {
	struct lined_service *service; /* charged for the memory */
	struct relay_unsent_batch *first, *last;
	size_t waiting; /* bytes of the waiting lines */
	size_t cost;    /* memory of the waiting batches */
	struct relay_connector
		*to; /* was given lines last; NULL: it has ended */
};

/* Adds a batch and takes a reference to its buffer. -1/ENOMEM. */
int relay_unsent_add(struct relay_unsent *unsent,
		     const struct relay_message *message);

/* Gives lines to the connector's socket while there is room, and forgets lines
 * that have left. */
void relay_unsent_send(struct relay_unsent *unsent,
		       struct relay_connector *connector);

/* The connection has ended: lines that have not left wait again. Those that
 * would come behind later lines, which another connection was given, are
 * dropped; returns how many. */
uint64_t relay_unsent_return(struct relay_unsent *unsent,
			     struct relay_connector *connector);

/* Drops the oldest lines until at most `max` bytes wait, in at most
 * relay_unsent_memory_max(max) of memory; returns how many lines. */
uint64_t relay_unsent_trim(struct relay_unsent *unsent, size_t max);

/* Drops about `bytes` of the oldest lines; returns how many lines. */
uint64_t relay_unsent_give_up(struct relay_unsent *unsent, uint64_t bytes);

/* The most memory of waiting lines if `hold` bytes may wait. */
size_t relay_unsent_memory_max(size_t hold);

/* How many bytes may wait after adding the next batch: `hold`, or while memory
 * is short, as many as wait now. */
size_t relay_unsent_most(const struct relay_unsent *unsent, size_t hold);
