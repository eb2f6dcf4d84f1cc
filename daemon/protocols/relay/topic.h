/* SPDX-License-Identifier: MIT */
/*
 * The topic of a service: the bus topic that its lines are published to, and
 * decisions shared by all instances of the topic, on every worker: whether a
 * line is a repeat (dedupe), and whether it has a reader (hold.h). A service
 * without the option topic has a topic of its own.
 *
 * Each decision is made when a line is received, under the lock of the memory
 * that the instances share, so it is made once, no matter how many workers
 * there are. A topic without dedupe and hold takes no lock. Other nodes decide
 * for themselves; this node remembers their lines when it delivers them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/buffer.h>
#include <lined/bus.h>

#include "relay/batch.h"

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

/* Subscribes to the feed: batches of lines for all clients of the services with
 * this topic. topic "": only the lines of this service. NULL: failed and
 * logged. */
struct lined_subscription *
relay_topic_subscribe(struct relay *relay, const char *topic,
		      void (*handler)(void *arg, struct lined_buffer *message),
		      void *arg);

/* Publishes to the feed. -1 and errno, as lined_bus_publish(). */
int relay_topic_publish(struct relay *relay, struct lined_buffer *message);

/* Takes a seat in the topic, or updates it after a change of options. -1:
 * failed and logged. */
int relay_topic_enter(struct relay *relay);
void relay_topic_leave(struct relay *relay);

/* Whether a received line (without tag and terminator) is a repeat. */
bool relay_topic_is_repeat(struct relay *relay, const char *text, size_t len);

/* Remembers lines delivered from another node, so that this node drops their
 * repeats. */
void relay_topic_hear(struct relay *relay, const struct relay_message *message);

/* Frees at least `bytes` of the memory of dedupe, but keeps a minimum. Each
 * step halves the memory. Counts the lines that are forgotten within their
 * window. */
void relay_topic_forget(struct relay *relay, uint64_t bytes);

/* The most memory that held lines can take with this value of the option hold.
 */
size_t relay_topic_memory_max(size_t hold);
