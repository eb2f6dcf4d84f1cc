/* SPDX-License-Identifier: MIT */
/*
 * A worker: a dispatcher that serves clients on a thread of its own; a single
 * worker runs on the main thread. The main thread posts calls, which run in
 * order on the worker's thread, or at once if that is the main thread.
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
	struct lined_dispatcher *main; /* the main thread's */
	bool threaded;
	pthread_t thread; /* the main thread if not threaded */
	bool stopping;    /* for the worker's thread only */
	struct bus_end *bus;

	/* Atomic: written by the worker's thread, read by others. */
	uint32_t turns;
	const struct lined_service *inside; /* its protocol runs; NULL: none */

	/* Open clients placed on this worker. Main thread only. */
	_Alignas(CACHE_LINE) uint32_t load;

	/* For worker_watch.c, which runs on the main thread, or on the log's
	 * thread if this worker is the main thread. */
	uint32_t turns_seen;
	uint64_t turned_ms;
	bool stuck;
};

/* Whether worker_watch.c found the worker stuck. Always false for a worker on
 * the main thread: the caller runs there. Main thread. */
static inline bool worker_is_stuck(const struct worker *worker)
{
	return worker->threaded && worker->stuck;
}

/* A call to another thread, embedded in a struct with its arguments. */
struct worker_call {
	struct lined_message message;
	void (*run)(struct worker_call *call);
};

/*
 * Starts the worker `index`. If threaded, the worker has its own thread and
 * dispatcher. Otherwise it uses the main dispatcher, which the caller keeps. -1
 * and errno.
 */
int worker_start(struct worker *worker, unsigned index, bool threaded,
		 struct lined_dispatcher *main);

/*
 * worker_stop() ends the thread after all posted calls. worker_fini() frees the
 * dispatcher; call it when all workers have stopped, because a running worker
 * could post to this one. Main thread.
 */
void worker_stop(struct worker *worker);
void worker_fini(struct worker *worker);

/* The index (below `workers`) of the worker for this name; depends on the name
 * and the number of workers only. */
size_t worker_for_name(const char *name, size_t workers);

/* Runs call->run on the worker's thread. Main thread. */
void worker_post(struct worker *worker, struct worker_call *call);

/*
 * Calls to several workers, posted together; the main thread waits once for
 * all. The batch owns the calls. Main thread, except `run`.
 */
struct worker_batch;

/* The first member of a struct with the call's arguments. */
struct batch_call {
	struct worker_call call;
	struct worker_batch *batch;
	struct batch_call *next; /* in order of addition */
	struct worker *worker;
	void (*run)(struct batch_call *call);
	/* Frees what the call owns; called on any thread. */
	void (*end)(struct batch_call *call);
	atomic_bool done; /* run() has returned */
};

/* NULL/ENOMEM. */
struct worker_batch *worker_batch_new(void);

/* Adds a call in a zeroed struct of this size. NULL/ENOMEM. */
void *worker_batch_add(struct worker_batch *batch, struct worker *worker,
		       size_t size, void (*run)(struct batch_call *call),
		       void (*end)(struct batch_call *call));

void worker_batch_post(struct worker_batch *batch);
/* Waits until all calls have run, at most timeout_ms (0: without limit). False:
 * some calls have not run yet; they run later. */
bool worker_batch_wait(struct worker_batch *batch, uint32_t timeout_ms);

struct batch_call *worker_batch_first(const struct worker_batch *batch);

/* Frees the batch at once or, if some calls have not run yet, when the last of
 * them has run. NULL is fine. */
void worker_batch_free(struct worker_batch *batch);

/* Runs a turn of the worker's dispatcher and counts it for worker_watch.c. A
 * failing poll is logged and retried for a second; false: it still fails. The
 * worker's thread. */
bool worker_poll(struct worker *worker);

/*
 * Call these around each call of an instance's protocol: the log then names the
 * protocol if the worker is stuck or crashes. Socket handlers do not need these
 * calls, because the dispatcher stores the socket's group. The worker's thread.
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
void worker_answer(struct worker *worker, struct worker_call *call);
