/* SPDX-License-Identifier: MIT */
/*
 * The option hold: lines wait in the memory of the topic, for all workers,
 * until the topic has a reader.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/batch.h"
#include "relay/line_store.h"

struct relay;

/* Holds received lines if no reader would get them. False: the caller must
 * publish the lines. `sender`: the client that sent them, or 0. */
bool relay_hold_batch(struct relay *relay, const struct relay_batch *batch,
		      uint64_t sender);

/* Drops about `bytes` of the oldest held lines, and counts them. */
void relay_hold_give_up(struct relay *relay, uint64_t bytes);

/*
 * Call this when the number of this instance's readers has changed. For the
 * first reader of the topic, moves the held lines to *held; they stay charged.
 * *since: the bus mark from which on lines are published. False: no lines were
 * held.
 */
bool relay_hold_set_readers(struct relay *relay, size_t readers,
			    struct relay_store *held, uint64_t *since);
