/* SPDX-License-Identifier: MIT */
/*
 * The memory that all instances of a topic share, for topic.c and hold.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "relay/line_store.h"

struct relay;
struct relay_dedupe;
struct relay_seat;

/* Protected by the lock of relay_seat.shared. Atomic fields are also read
 * without the lock. */
struct relay_topic {
	uint32_t window_ms; /* atomic: the longest dedupe; 0: none */
	uint32_t holds;     /* atomic: some service has the option hold */
	uint32_t growth;    /* atomic: how much dedupe would grow next */
	size_t hold;        /* the largest option hold */
	size_t readers;
	struct relay_seat *seats;
	struct relay_dedupe *dedupe; /* made when first needed */
	size_t dedupe_charged;       /* memory of dedupe charged so far */
	struct relay_store held;
};

static inline uint32_t relay_topic_load(const uint32_t *field)
{
	return __atomic_load_n(field, __ATOMIC_ACQUIRE);
}

/* Unlocks the topic and charges the change of its memory. Counts the lines that
 * dedupe has forgotten within their window. Also counts the held lines that
 * were dropped: their number is `dropped`. */
void relay_topic_unlock(struct relay *relay, size_t dropped);

/* Drops the oldest held lines until they fit into the option hold and into
 * `memory` bytes; all lines if no service sets the option. Returns how many
 * lines were dropped. */
size_t relay_topic_trim(struct relay_topic *topic, size_t memory);
