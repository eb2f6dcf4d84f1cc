/* SPDX-License-Identifier: MIT */
/*
 * The decisions that all instances of a topic make together, on every worker:
 * whether a line is a repeat (dedupe), and whether it has a reader (hold). A
 * service without the option topic is a topic of its own.
 *
 * Each decision is made when a line comes in, under the lock of memory that the
 * instances share, so that it is made once however many workers there are. A
 * topic in which no service has dedupe or hold takes no lock. Another node
 * decides for itself; what it lets through is known here once it arrives.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/bus.h>

#include "relay/block.h"
#include "relay/store.h"

struct relay;
struct relay_topic;

/* The part of an instance in its topic. */
struct relay_seat {
	struct lined_shared *shared; /* NULL: nothing is decided together */
	struct relay_topic *topic;
	struct relay_seat *next; /* of the topic */
	uint32_t window_ms;      /* the option dedupe */
	size_t hold;             /* the option hold */
	size_t readers;
};

/* Takes the seat, or another one if the options have changed. -1: failed, and
 * logged. */
int relay_topic_enter(struct relay *relay);
void relay_topic_leave(struct relay *relay);

/* A line comes in, without its tag and terminator. True: it is a repeat. */
bool relay_topic_is_repeat(struct relay *relay, const char *text, size_t len);

/* Lines of another node are delivered: this one drops their repeats. */
void relay_topic_hear(struct relay *relay, const struct relay_message *message);

/* Lines come in. True: they have no reader, and were held. `sender` is the
 * client that has sent them, or 0. */
bool relay_topic_hold(struct relay *relay, const struct relay_block *block,
		      uint64_t sender);

/* Forgets the oldest lines that dedupe remembers, about so many bytes or half
 * of them, and counts them. */
void relay_topic_forget(struct relay *relay, uint64_t bytes);

/* The most memory that lines take with this option hold. */
size_t relay_topic_memory_max(size_t hold);

/* Drops the oldest lines that were held, about so many bytes, and counts
 * them. */
void relay_topic_give_up(struct relay *relay, uint64_t bytes);

/*
 * The number of this instance's readers is changed. The first reader of the
 * topic gets the lines that were held: they are moved to *held, still charged,
 * and *since is the mark of the bus after which lines are published, not held.
 * False: there are none.
 */
bool relay_topic_set_readers(struct relay *relay, size_t readers,
			     struct relay_store *held, uint64_t *since);
