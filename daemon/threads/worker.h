/* SPDX-License-Identifier: MIT */
/*
 * A worker: a dispatcher that serves clients, on a thread of its own, or on the
 * main thread if there is only one worker. The main thread posts calls to the
 * worker, which run on its thread in order; if that is the main thread, a call
 * runs at once.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <lined/dispatcher.h>
#include <lined/service.h>

#include "cache_line.h"

struct bus_end;

struct worker {
	_Alignas(CACHE_LINE) unsigned index;
	struct lined_dispatcher *dispatcher;
	bool threaded;
	pthread_t thread; /* the main one if it has none of its own */
	bool stopping;    /* used by its own thread only */
	struct bus_end *bus;

	/* Atomic: written by its own thread, read by others. */
	uint32_t turns;
	const struct lined_service *inside; /* whose protocol runs; or NULL */

	/* The main thread's: the clients placed on it that are open. */
	_Alignas(CACHE_LINE) uint32_t load;

	/* The heartbeat's, on the main thread; on the log's thread if this
	 * worker is the main thread. */
	uint32_t turns_seen;
	uint64_t turned_ms;
	bool stuck;
};

/* Whether the heartbeat has found it stuck. Always false for a worker on the
 * main thread: the caller runs there, so it is not stuck. Main thread. */
static inline bool worker_is_stuck(const struct worker *worker)
{
	return worker->threaded && worker->stuck;
}

/* A call to another thread, embedded in a structure with its arguments. */
struct worker_call {
	struct lined_message message;
	void (*run)(struct worker_call *call);
};

/*
 * Starts the worker `index` with a thread and a dispatcher of its own. Not
 * threaded: with the main dispatcher, which the caller still owns. -1 and
 * errno.
 */
int worker_start(struct worker *worker, unsigned index, bool threaded,
		 struct lined_dispatcher *main_dispatcher);

/*
 * Ends its thread, after the calls that were posted before. worker_fini() frees
 * its dispatcher, and may be called only when all workers were stopped: a
 * running one could post to it. Main thread.
 */
void worker_stop(struct worker *worker);
void worker_fini(struct worker *worker);

/* The index, below `workers`, of the worker for this name: always the same for
 * a name and a number of workers. */
size_t worker_for_name(const char *name, size_t workers);

/* Runs call->run on the worker's thread. Main thread. */
void worker_post(struct worker *worker, struct worker_call *call);

/*
 * Calls that are posted to several workers together, and for which the main
 * thread waits once. The batch owns them. Main thread, but for `run`.
 */
struct worker_batch;

/* Embedded as the first member of a structure with its arguments. */
struct batch_call {
	struct worker_call call;
	struct worker_batch *batch;
	struct batch_call *next; /* in the order they were added */
	struct worker *worker;
	void (*run)(struct batch_call *call);
	/* Frees what the call owns, on any thread. */
	void (*end)(struct batch_call *call);
	atomic_bool done; /* it has run */
};

/* NULL/ENOMEM. */
struct worker_batch *worker_batch_new(void);

/* Adds a call, zeroed but for the members above, in a structure of this size.
 * NULL/ENOMEM. */
void *worker_batch_add(struct worker_batch *batch, struct worker *worker,
		       size_t size, void (*run)(struct batch_call *call),
		       void (*end)(struct batch_call *call));

/* Posts the calls. */
void worker_batch_post(struct worker_batch *batch);
/* Waits until all have run, for timeout_ms at most (0: any time). False: some
 * have not, and run later. */
bool worker_batch_wait(struct worker_batch *batch, uint32_t timeout_ms);

struct batch_call *worker_batch_first(const struct worker_batch *batch);

/* Frees the batch; what has not run yet is freed after it has. NULL is fine. */
void worker_batch_free(struct worker_batch *batch);

/* Runs a turn of its dispatcher, and counts it for the heartbeat. A poll that
 * fails is logged and tried again for a second; false: it fails for good. Its
 * own thread. */
bool worker_poll(struct worker *worker);

/*
 * To be called before and after a call of an instance's protocol, so that the
 * log can name the protocol if the worker is stuck or crashes. Handlers of
 * sockets need no such call: the dispatcher stores their group. Its own thread.
 */
static inline void worker_enter(struct worker *worker,
				const struct lined_service *instance)
{
	__atomic_store_n(&worker->inside, instance, __ATOMIC_RELAXED);
}

static inline void worker_leave(struct worker *worker)
{
	__atomic_store_n(&worker->inside, NULL, __ATOMIC_RELAXED);
}

/* Runs call->run on the main thread. The worker's thread. */
void worker_answer(struct worker *worker, struct lined_dispatcher *main,
		   struct worker_call *call);
