/* SPDX-License-Identifier: MIT */
/*
 * The bus (lined/bus.h): topics, subscriptions, and queues of messages to be
 * delivered. Each worker has one end of the bus; each instance is a member of
 * its worker's end. A backend carries messages from one end to the others:
 * bus_batch.c between the workers of this daemon.
 *
 * Thread: an end and its members belong to the end's worker.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/bus.h>

#include "list.h"
#include "threads/bus_budget.h"
#include "threads/bus_topic.h"
#include "threads/worker.h"

/*
 * Back-pressure. The backlog of an end is the number of bytes that the end has
 * not handled yet. An end is behind if its backlog is more than it delivers in
 * four turns (bus_budget.h). An end delivers 1 MiB at most in a turn. While
 * another end is behind, an instance that publishes is held: its clients are
 * not read. When an end has published more than its share of a turn, an
 * instance that publishes is held until the end of the turn. If the backlog of
 * any end, or of the way to other nodes, exceeds BUS_BACKLOG_MAX, publishing
 * fails.
 */
#define BUS_BACKLOG_MAX ((size_t)64 << 20)

/* The cost of a message in addition to its bytes. */
#define BUS_MESSAGE_COST ((size_t)64)

struct bus;
struct bus_end;

/* ---- the bus, on the main thread -------------------------------------- */

/* Makes an end for each worker, after the workers have started. NULL and errno.
 */
struct bus *bus_new(struct worker *workers, size_t count);

/* Call this when all workers have stopped, before the main dispatcher is freed.
 */
void bus_free(struct bus *bus);

struct bus_counters {
	uint64_t published;
	uint64_t posts;   /* batches, counted once for each receiving worker */
	uint64_t wakeups; /* wakeups of workers by other threads */
	uint64_t refused; /* messages not taken: too many wait */
	uint64_t pauses;  /* how often members were held */
};

void bus_count(const struct bus *bus, struct bus_counters *counters);

/* Logs the counters, unless nothing was published. */
void bus_log_counters(const struct bus *bus);

/* ---- members, on their worker's thread -------------------------------- */

/* A topic's scope is the id of its service, or BUS_SHARED for a topic of all
 * services. */
#define BUS_SHARED ((uint64_t)0)

/* An instance's membership in its worker's end, embedded in the instance. */
struct bus_member {
	struct bus_end *end;
	/* Passed to worker_enter() only. */
	struct lined_service *instance;
	uint64_t scope;
	/* The service's name (borrowed) if the service shares its topics with
	 * other nodes; otherwise NULL. */
	const char *clustered;
	/* Stops (on) or resumes reading the instance's clients. */
	void (*hold)(struct bus_member *member, bool on);
	struct list subscriptions;
	struct list held_link; /* linked while clients are held */
	bool left;
};

/* Initialises a member after bus_new(). Any thread. */
void bus_member_init(struct bus_member *member, const struct worker *worker,
		     struct lined_service *instance, uint64_t scope,
		     void (*hold)(struct bus_member *member, bool on));

/* Call this when the instance ends: none of its handlers is called any more.
 * Subscriptions remain valid for lined_bus_unsubscribe(). */
void bus_member_leave(struct bus_member *member);

/* Frees the remaining subscriptions. Any thread, after bus_member_leave(). */
void bus_member_fini(struct bus_member *member);

/* Whether the instance's clients are held. If so, a new client must also be
 * held. */
static inline bool bus_member_is_held(const struct bus_member *member)
{
	return list_is_linked(&member->held_link);
}

/* Whether the clients are held beyond this turn: lined_bus_is_lagging(). */
bool bus_is_lagging(const struct bus_member *member);

/* Implement lined/bus.h, with the member in place of the service, and the
 * topic's scope. */
int bus_publish(struct bus_member *member, uint64_t scope, const char *topic,
		struct lined_buffer *message);
struct lined_subscription *
bus_subscribe(struct bus_member *member, uint64_t scope, const char *topic,
	      void (*handler)(void *arg, struct lined_buffer *message),
	      void *arg);
uint64_t bus_mark(const struct bus_member *member);
bool bus_is_before(const struct bus_member *member, uint64_t mark);
bool bus_is_elsewhere(const struct bus_member *member);
struct lined_shared *bus_shared_get(const struct bus_member *member,
				    const char *name, size_t size);

/* ---- backends ---------------------------------------------------------- */

/* How messages leave an end. `link` is private to the backend. */
struct bus_backend {
	/* Queues a message for all other ends until the next flush. -1 and
	 * errno: not queued. */
	int (*publish)(void *link, const struct bus_topic_name *topic,
		       uint64_t stamp, struct lined_buffer *message);
	void (*flush)(void *link);
	/* The bytes not flushed yet, plus those that the slowest other end has
	 * not handled yet. */
	size_t (*backlog)(const void *link);
	/* is_behind: whether another end is behind. allowance: the smallest
	 * allowance of the other ends. */
	bool (*is_behind)(const void *link);
	uint64_t (*allowance)(const void *link);
	/* How many batches were posted so far. A batch counts once for each end
	 * that it was posted to. MT-safe. */
	uint64_t (*posts)(const void *link);
};

/* How many bytes of messages the end delivers in a turn. MT-safe. */
uint64_t bus_end_allowance(const struct bus_end *end);

/*
 * Delivers a message from another end to this end's subscriptions. stamp:
 * bus_end_stamp() when the message was published. The bytes must not change
 * until release(arg) is called; release NULL: the bytes are copied. False: no
 * subscription or no memory, and release is not called.
 */
bool bus_end_deliver(struct bus_end *end, const struct bus_topic_name *topic,
		     uint64_t stamp, const void *data, size_t len,
		     void (*release)(void *arg), void *arg);

/* on: the messages delivered from now on come from another node. */
void bus_end_set_elsewhere(struct bus_end *end, bool on);

/* Clustered members are held while more bytes than this wait to leave for other
 * nodes. */
#define BUS_UPLINK_HIGH ((size_t)4 << 20)

/* How messages of clustered members leave for other nodes. */
struct bus_uplink {
	/* service: the service's name, or "" for a shared topic. -1 and errno:
	 * not queued. */
	int (*publish)(void *link, const char *service,
		       const struct bus_topic_name *topic,
		       struct lined_buffer *message);
	void (*flush)(void *link);
	/* The bytes that have not left this node. */
	size_t (*backlog)(const void *link);
};

/* Sets the end's uplink. The worker's thread. */
void bus_end_attach_uplink(struct bus_end *end, const struct bus_uplink *uplink,
			   void *link);

/* bus_end_topic_name() makes a topic's name as used by every end (-1/EINVAL:
 * too long). bus_end_stamp() is the stamp of a message published now. Any
 * thread. */
int bus_end_topic_name(const struct bus_end *end, struct bus_topic_name *name,
		       uint64_t scope, const char *topic);
uint64_t bus_end_stamp(const struct bus_end *end);
