/* SPDX-License-Identifier: MIT */
/*
 * The bus (lined/bus.h): topics, their subscriptions and what waits to be
 * served to them, one end a worker. How messages travel from one end to the
 * others is a backend's business: bus_threads.c between the workers of this
 * daemon; one between machines goes beside it.
 *
 * Thread: an end belongs to its worker's.
 */
#ifndef BUS_H
#define BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/bus.h>

#include "list.h"
#include "threads/worker.h"

/* A backlog of this much makes publishers pause, until it has gone down to the
 * low mark; above the limit nothing is published. */
#define BUS_BACKLOG_LOW  ((size_t)2 << 20)
#define BUS_BACKLOG_HIGH ((size_t)4 << 20)
#define BUS_BACKLOG_MAX  ((size_t)64 << 20)

struct bus;
struct bus_end;

/* What an instance has on the bus; embedded in struct lined_service. */
struct bus_member {
	/* Of the topics that are the service's own: no other service has had
	 * or will have it. BUS_SHARED: those of all. */
	uint64_t scope;
	struct list subscriptions;
	struct list held_link; /* linked while its clients are held */
	bool left;
};

#define BUS_SHARED ((uint64_t)0)

/* A topic as it travels; the bytes are followed by a NUL. */
struct bus_topic_name {
	uint64_t scope;
	uint32_t hash;
	uint32_t len;
	const char *text;
};

/* ---- the bus, on the main thread -------------------------------------- */

/* Gives each of the workers, which have been started, its end. NULL, errno. */
struct bus *bus_new(struct worker *workers, size_t count);

/* When no worker runs any more, and before the main dispatcher is freed. */
void bus_free(struct bus *bus);

/* How many batches of messages workers have posted to workers. */
uint64_t bus_posts(const struct bus *bus);

/* How often workers were woken by other threads, the main one's included. */
uint64_t bus_wakeups(const struct bus *bus);

struct bus_counters {
	uint64_t published;
	uint64_t posts;   /* as bus_posts() */
	uint64_t wakeups; /* as bus_wakeups() */
	uint64_t refused; /* not published, a worker lagged too far behind */
	uint64_t pauses;  /* a publisher's clients were not read meanwhile */
};

void bus_count(const struct bus *bus, struct bus_counters *counters);

/* Logs what the bus has done, where that is anything. */
void bus_log_counters(const struct bus *bus);

/* ---- instances, on their worker's thread ------------------------------ */

void bus_member_init(struct bus_member *member, uint64_t scope);

/* The instance ends: none of its handlers is called any more. Its
 * subscriptions may still be given to lined_bus_unsubscribe(). */
void bus_leave(struct lined_service *service);

/* Frees what was never unsubscribed. Any thread, after bus_leave(). */
void bus_member_fini(struct bus_member *member);

/* Whether new clients are to be held, too (CLIENT_HOLD_BUS). */
static inline bool bus_is_held(const struct bus_member *member)
{
	return list_is_linked(&member->held_link);
}

/* ---- backends ---------------------------------------------------------- */

/* How messages leave an end; `link` is the backend's own. */
struct bus_backend {
	/* Takes a message for all other ends; it leaves with the next flush.
	 * -1 and errno: it was not taken. */
	int (*publish)(void *link, const struct bus_topic_name *topic,
		       uint64_t stamp, struct lined_buffer *message);
	void (*flush)(void *link);
	/* The bytes that the slowest of the other ends has still to handle,
	 * with those not flushed yet. */
	size_t (*backlog)(const void *link);
};

void bus_end_attach(struct bus_end *end, const struct bus_backend *backend,
		    void *link);

/*
 * A message of another end, with the stamp that its publish was given: serves
 * it to the subscribers. The bytes stay as they are until release(arg); false:
 * nobody wanted it, and it is not called.
 */
bool bus_arrived(struct bus_end *end, const struct bus_topic_name *topic,
		 uint64_t stamp, const void *data, size_t len,
		 void (*release)(void *arg), void *arg);

#endif
