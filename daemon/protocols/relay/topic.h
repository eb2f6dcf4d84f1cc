/* SPDX-License-Identifier: MIT */
/*
 * Decisions shared by all instances of a topic, on every worker: whether a line
 * is a repeat (dedupe), and whether it has a reader (hold). A service without
 * the option topic has a topic of its own.
 *
 * Each decision is made when a line is received, under the lock of the memory
 * that the instances share, so it is made once, no matter how many workers
 * there are. A topic without dedupe and hold takes no lock. Other nodes decide
 * for themselves; this node knows their lines when they arrive.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/bus.h>

#include "relay/batch.h"
#include "relay/line_store.h"

struct relay;
struct relay_topic;

/* An instance's part in its topic. */
struct relay_seat {
	struct lined_shared *shared; /* NULL: no shared decisions */
	struct relay_topic *topic;
	struct relay_seat *next; /* next seat of the topic */
	uint32_t window_ms;      /* the option dedupe */
	size_t hold;             /* the option hold */
	size_t readers;
};

/* Takes a seat in the topic, or updates it after a change of options. -1:
 * failed and logged. */
int relay_topic_enter(struct relay *relay);
void relay_topic_leave(struct relay *relay);

/* Whether a received line (without tag and terminator) is a repeat. */
bool relay_topic_is_repeat(struct relay *relay, const char *text, size_t len);

/* Remembers lines delivered from another node, so that this node drops their
 * repeats. */
void relay_topic_hear(struct relay *relay, const struct relay_message *message);

/* Offers received lines. True: the topic has no reader, and the lines are held.
 * `sender`: the client that sent them, or 0. */
bool relay_topic_hold(struct relay *relay, const struct relay_batch *batch,
		      uint64_t sender);

/* Frees `bytes` of the memory of dedupe, or more: the memory is halved until
 * that is reached. Counts the lines that are forgotten within their window. */
void relay_topic_forget(struct relay *relay, uint64_t bytes);

/* The most memory of held lines with this value of the option hold. */
size_t relay_topic_memory_max(size_t hold);

/* Drops about `bytes` of the oldest held lines, and counts them. */
void relay_topic_give_up(struct relay *relay, uint64_t bytes);

/*
 * The number of this instance's readers has changed. For the first reader of
 * the topic, moves the held lines to *held, still charged; *since is a bus
 * mark: lines after it are published, not held. False: no lines are held.
 */
bool relay_topic_set_readers(struct relay *relay, size_t readers,
			     struct relay_store *held, uint64_t *since);
