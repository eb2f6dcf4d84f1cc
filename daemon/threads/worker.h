/* SPDX-License-Identifier: MIT */
/*
 * A worker: a dispatcher that serves clients, on a thread of its own, or on the
 * main thread if it is the only one. The main thread posts calls to it, which
 * run on its thread, in order; if that is the main thread, at once.
 */
#ifndef WORKER_H
#define WORKER_H

#include <pthread.h>
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
	pthread_t thread;
	bool stopping; /* its own thread's */
	struct bus_end *bus;

	/* Written by its own thread, read by the main one: */
	uint32_t turns;
	const struct lined_service *inside; /* while its protocol runs */

	/* The main thread's: clients placed on it that have not gone. */
	_Alignas(CACHE_LINE) uint32_t load;

	/* What the heartbeat knows of its turns. The main thread's; the log's
	 * if this worker is the main thread. */
	uint32_t turns_seen;
	uint64_t turned_ms;
	bool stuck;
};

/* Whether the heartbeat finds it stuck. False for a worker that is the main
 * thread, which cannot ask while it is. Main thread. */
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
 * Starts the worker `index` on a thread of its own; not threaded: around the
 * main dispatcher, which remains the caller's. -1 and errno.
 */
int worker_start(struct worker *worker, unsigned index, bool threaded,
		 struct lined_dispatcher *main_dispatcher);

/*
 * Ends its thread, after the calls that were posted before. When all workers
 * have been stopped, so that none posts to another, worker_fini() frees its
 * dispatcher. Main thread.
 */
void worker_stop(struct worker *worker);
void worker_fini(struct worker *worker);

/* Which of so many workers single things of this name live on: always the same.
 */
size_t worker_for_name(const char *name, size_t workers);

/* Runs call->run on the worker's thread. Main thread. */
void worker_post(struct worker *worker, struct worker_call *call);

/* The same, and waits until the call has run; meanwhile(arg) is called once a
 * second until then. */
void worker_post_wait(struct worker *worker, struct worker_call *call,
		      void (*meanwhile)(void *arg), void *arg);

/* A turn begins, for the heartbeat. Its own thread. */
static inline void worker_turn(struct worker *worker)
{
	__atomic_store_n(&worker->turns, worker->turns + 1, __ATOMIC_RELAXED);
}

/*
 * Around calls of an instance's protocol, so that a stuck worker or a crash can
 * be attributed. For handlers of sockets the dispatcher does the same by
 * itself. Its own thread.
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

#endif
