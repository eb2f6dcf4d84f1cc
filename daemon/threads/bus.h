/* SPDX-License-Identifier: MIT */
/*
 * The bus (lined/bus.h): topics, subscriptions, and the queues of messages that
 * wait to be delivered. Each worker has one end of the bus. A backend carries
 * messages from one end to the others: bus_threads.c between the workers of
 * this daemon; a backend between machines would be another one.
 *
 * Thread: an end and its members belong to the end's worker.
 */
#ifndef BUS_H
#define BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/bus.h>

#include "list.h"
#include "threads/bus_topic.h"
#include "threads/worker.h"

/*
 * Back-pressure, by the bytes that the slowest other end has still to handle:
 * above HIGH the clients of a publisher are not read, until it is down to LOW;
 * above MAX nothing is published.
 */
#define BUS_BACKLOG_LOW  ((size_t)2 << 20)
#define BUS_BACKLOG_HIGH ((size_t)4 << 20)
#define BUS_BACKLOG_MAX  ((size_t)64 << 20)

struct bus;
struct bus_end;

/* ---- the bus, on the main thread -------------------------------------- */

/* Gives each of the workers, which have been started, its end. NULL, errno. */
struct bus *bus_new(struct worker *workers, size_t count);

/* When no worker runs any more, and before the main dispatcher is freed. */
void bus_free(struct bus *bus);

struct bus_counters {
	uint64_t published;
	uint64_t posts;   /* batches of messages, from worker to worker */
	uint64_t wakeups; /* of workers by other threads, the main included */
	uint64_t refused; /* not published: above BUS_BACKLOG_MAX */
	uint64_t pauses;  /* clients held: above BUS_BACKLOG_HIGH */
};

void bus_count(const struct bus *bus, struct bus_counters *counters);

/* Logs the counters, unless nothing was published. */
void bus_log_counters(const struct bus *bus);

/* ---- members, on their worker's thread -------------------------------- */

/* The topics that all services share; other scopes are a service's id. */
#define BUS_SHARED ((uint64_t)0)

/* An instance's part of the bus, embedded in it. */
struct bus_member {
	struct bus_end *end;
	/* The owner of the handlers, for worker_enter() only. */
	struct lined_service *instance;
	uint64_t scope;
	/* Stops reading the instance's clients, or resumes it. */
	void (*hold)(struct bus_member *member, bool on);
	struct list subscriptions;
	struct list held_link; /* linked while its clients are held */
	bool left;
};

/* The worker has its end. Any thread. */
void bus_member_init(struct bus_member *member, const struct worker *worker,
		     struct lined_service *instance, uint64_t scope,
		     void (*hold)(struct bus_member *member, bool on));

/* The instance ends: none of its handlers is called any more. Its
 * subscriptions may still be given to bus_unsubscribe(). */
void bus_member_leave(struct bus_member *member);

/* Frees what was never unsubscribed. Any thread, after bus_member_leave(). */
void bus_member_fini(struct bus_member *member);

/* Whether new clients must be held, too. */
static inline bool bus_member_is_held(const struct bus_member *member)
{
	return list_is_linked(&member->held_link);
}

/* As their namesakes in lined/bus.h, with the member for the service and the
 * topic's scope. */
int bus_publish(struct bus_member *member, uint64_t scope, const char *topic,
		struct lined_buffer *message);
struct lined_subscription *
bus_subscribe(struct bus_member *member, uint64_t scope, const char *topic,
	      void (*handler)(void *arg, struct lined_buffer *message),
	      void *arg);
void bus_unsubscribe(struct lined_subscription *subscription);
uint64_t bus_mark(const struct bus_member *member);
bool bus_is_before(const struct bus_member *member, uint64_t mark);

/* ---- backends ---------------------------------------------------------- */

/* How messages leave an end. `link` is the backend's own. */
struct bus_backend {
	/* Takes a message for all other ends; it leaves with the next flush.
	 * -1 and errno: it was not taken. */
	int (*publish)(void *link, const struct bus_topic_name *topic,
		       uint64_t stamp, struct lined_buffer *message);
	void (*flush)(void *link);
	/* The bytes that the slowest of the other ends has still to handle,
	 * with those not flushed yet. */
	size_t (*backlog)(const void *link);
	/* Batches that have left so far. MT-safe. */
	uint64_t (*posts)(const void *link);
};

/* Before anything is published. Main thread. */
void bus_end_attach(struct bus_end *end, const struct bus_backend *backend,
		    void *link);

/*
 * Delivers a message of another end, with the stamp that it was published
 * with, to the subscriptions of this end. The bytes must stay as they are until
 * release(arg). False: there is no subscription, and release is not called.
 */
bool bus_end_deliver(struct bus_end *end, const struct bus_topic_name *topic,
		     uint64_t stamp, const void *data, size_t len,
		     void (*release)(void *arg), void *arg);

#endif
