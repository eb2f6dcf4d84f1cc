/* SPDX-License-Identifier: MIT */
/*
 * The structures that the files of the bus share. bus.c makes the bus and its
 * ends, bus_queue.c publishes and delivers, bus_hold.c is the back-pressure,
 * bus_member.c has an instance's subscriptions, bus_shared_memory.c the memory
 * shared by name.
 */
#pragma once

#include <pthread.h>

#include "cache_line.h"
#include "threads/bus.h"
#include "threads/bus_budget.h"

struct lined_subscription {
	struct list link;        /* bus_topic.subscriptions */
	struct list member_link; /* bus_member.subscriptions */
	struct bus_topic *topic; /* NULL: the member has left */
	struct bus_member *member;
	uint64_t mark; /* only messages published later are delivered */
	void (*handler)(void *arg, struct lined_buffer *message);
	void *arg;
};

/* A message of this end that waits for the message phase. */
struct bus_waiting {
	struct bus_topic *topic;
	struct lined_buffer *message;
	uint64_t stamp;
};

struct bus_queue {
	struct bus_waiting *items;
	size_t count, room;
};

struct bus_end {
	struct worker *worker;
	struct bus *bus;
	const struct bus_backend *backend; /* NULL: no other end */
	void *backend_link;
	const struct bus_uplink *uplink; /* NULL: no other node */
	void *uplink_link;
	struct bus_topics topics;

	/* Publishing fills `queue`; the message phase swaps it with `served`,
	 * so that both keep their memory. */
	struct bus_queue queue, served;
	size_t queued_bytes;
	struct lined_message turn;
	bool turn_due;

	/* During a delivery: its topic and stamp, and the next subscription. */
	struct bus_topic *serving;
	struct list *cursor;
	uint64_t stamp;
	bool elsewhere; /* the message came from another node */

	struct bus_budget budget;
	struct list held; /* bus_member.held_link */
	struct lined_timer hold_check;

	/* Atomic: read by the main thread. */
	uint64_t published, refused, pauses;
};

struct bus {
	struct bus_end **ends;
	size_t count;
	struct list shared; /* lined_shared.link */
	pthread_mutex_t shared_mutex;
	/*
	 * The number of marks so far; the nth mark has the value n. The stamp
	 * of a message is this number when the message is published: the
	 * message comes after all marks up to the stamp. Publishing only reads
	 * the number, so the workers share its cache line.
	 */
	_Alignas(CACHE_LINE) uint64_t marks;
};

/* bus_queue.c. bus_queue_fini() drops the messages that still wait. */
void bus_queue_init(struct bus_end *end);
void bus_queue_fini(struct bus_end *end);

/* Frees the topic if it has no subscription and no queued message, and none of
 * its messages is being delivered. */
void bus_end_release(struct bus_end *end, struct bus_topic *topic);

/* bus_hold.c */
void bus_hold_init(struct bus_end *end);
/* Call this when the member has published a message of this cost. If the
 * message phase is due, holds the member when the budget of this turn is used
 * up or others are behind. */
void bus_hold_spend(struct bus_end *end, struct bus_member *member,
		    size_t cost);
/* Call this when the message phase has delivered its messages: ends holds. */
void bus_hold_check(struct bus_end *end);
/* Resumes reading the member's clients if they are held. */
void bus_hold_end(struct bus_member *member);
