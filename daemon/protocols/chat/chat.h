/* SPDX-License-Identifier: MIT */
/*
 * An instance of the chat, on one worker. Nicknames, and seats in rooms, are
 * entries of the registry. All workers watch these entries (registry_watch.c),
 * so all know the same nicknames and rooms. Messages are events on a single
 * topic of the bus: this keeps each sender's order across rooms and private
 * messages.
 */
#pragma once

#include <search.h>
#include <stdbool.h>
#include <stdint.h>

#include <lined/bus.h>
#include <lined/registry.h>
#include <lined/service.h>

#include "chat/options.h"

struct chat_event;

struct chat {
	struct lined_service *service;
	struct lined_subscription *events;
	void (*handle_event)(struct chat *chat, struct chat_event *event);
	uint64_t origin;     /* a random number in this instance's events */
	uint64_t last_stamp; /* the highest stamp of all events seen here */

	/* Trees made by tsearch(3). */
	void *members; /* clients of this worker, by id */
	void *people;  /* nicknames of all workers, by id */
	void *rooms;   /* rooms, by name */

	struct lined_registry_watch *name_watch, *seat_watch;
	uint64_t guest_high;  /* the highest guest number in the registry */
	uint64_t guest_asked; /* the highest number claimed here */

	uint64_t delivery; /* number of the current delivery */
	size_t waiting;    /* members that wait for another worker */
	/* phase counts how often this worker has handled the messages of the
	 * other workers. Input waits until phase increases: see
	 * session_is_due(). */
	struct lined_message phase_message;
	uint64_t phase;
	bool phase_due;
	bool draining;
	bool quits;     /* draining, and other nodes are told who leaves */
	bool replacing; /* a member waits for a new nickname */
};

static inline const struct chat_options *chat_options(const struct chat *chat)
{
	return lined_service_options(chat->service);
}

/* Compares ids in a tsearch(3) tree whose structs begin with the id. */
static inline int chat_compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Finds a struct in a tsearch(3) tree by its first member; NULL: none. */
static inline void *chat_find(void *const *root, const void *key,
			      int (*compare)(const void *, const void *))
{
	void *node = tfind(key, root, compare);

	return node != NULL ? *(void **)node : NULL;
}
