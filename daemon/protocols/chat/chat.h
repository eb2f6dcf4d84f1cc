/* SPDX-License-Identifier: MIT */
/*
 * The chat's instance on one worker. Every worker has the
 * same view of who is there: names and seats are entries of the registry,
 * watched; what is said travels as events on one topic of the bus, which keeps
 * each sender's order across rooms and private messages.
 */
#ifndef CHAT_H
#define CHAT_H

#include <search.h>
#include <stdbool.h>
#include <stdint.h>

#include <lined/bus.h>
#include <lined/registry.h>
#include <lined/service.h>

#include "chat/options.h"

struct chat_event;
struct chat_room;

struct chat {
	struct lined_service *service;
	struct lined_subscription *events;
	void (*handle_event)(struct chat *chat, const struct chat_event *event);
	struct lined_registry_watch *name_watch, *seat_watch;
	void *members; /* of this worker, tsearch(3) by id */
	void *people;  /* of all workers, by id */
	void *rooms;   /* by name */
	struct chat_room *first_room;
	uint64_t origin;      /* marks the events of this instance */
	uint64_t last_stamp;  /* of its events */
	uint64_t mark;        /* of the delivery under way */
	uint64_t guest_high;  /* the highest guest number seen */
	uint64_t guest_asked; /* and the highest asked for here */
	size_t waiting;       /* members that wait for an answer */
	/* Counts message phases, those that a member waits for. */
	struct lined_message phase_message;
	uint64_t phase;
	bool phase_due;
	bool draining;
};

static inline const struct chat_options *chat_options(const struct chat *chat)
{
	return lined_service_options(chat->service);
}

static inline const struct chat_room_options *
chat_room_options(const struct chat *chat, const char *room)
{
	return chat_options_room(chat_options(chat), room);
}

/* For tsearch(3), in a tree of structs that begin with their id. */
static inline int chat_compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Finds a struct in a tree of tsearch(3) by what it begins with; NULL. */
static inline void *chat_find(void *const *root, const void *key,
			      int (*compare)(const void *, const void *))
{
	void *node = tfind(key, root, compare);

	return node != NULL ? *(void **)node : NULL;
}

#endif
