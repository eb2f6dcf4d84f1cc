/* SPDX-License-Identifier: MIT */
/*
 * Workers with instances of services, as in a server but without a config and
 * listeners, for the suites of the bus and the registry. hall_call() runs code
 * on a worker; such code must use must() instead of Check's macros.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lined/protocol.h>

#include "config/conf.h"
#include "memory_ceiling.h"
#include "threads/worker.h"

enum { HALL_WORKERS = 4, HALL_SERVICES = 2 };

/* Ends the test if the condition is false. For any thread. */
#define must(condition)                                                        \
	do {                                                                   \
		if (!(condition))                                              \
			must_fail(__FILE__, __LINE__, #condition);             \
	} while (0)
_Noreturn void must_fail(const char *file, int line, const char *condition);

struct hall {
	unsigned count;
	struct lined_dispatcher *main;
	struct worker workers[HALL_WORKERS];
	struct bus *bus;
	struct bus_batches *bus_batches;
	struct conf_service conf[HALL_SERVICES];
	struct registry *registries[HALL_SERVICES];
	struct lined_service *instances[HALL_SERVICES][HALL_WORKERS];
	struct admission *admission; /* shared by all services, without
				      * limits */
	struct penalties *penalties;
	struct memory_ceiling memory; /* the memory of all workers, without a
				       * limit */
	unsigned ended;               /* how many instances have ended */
	uint64_t clients;
	uint64_t posts; /* posts of the bus, set when the hall is closed */
};

/*
 * Starts so many workers (one: on the caller's thread) with two services of
 * this protocol, "a" and "b", whose options are arg. Worker 0 is the primary of
 * both.
 */
void hall_open(struct hall *hall, unsigned workers,
	       const struct lined_protocol *protocol, const void *arg);

/* Ends the instances that are left and then the workers. */
void hall_close(struct hall *hall);

/* Calls run() on a worker for its instance of a service, and waits. */
void hall_call(struct hall *hall, unsigned service, unsigned worker,
	       void (*run)(struct lined_service *service, void *arg),
	       void *arg);

/* Ends one instance, and waits for its end. */
void hall_end_instance(struct hall *hall, unsigned service, unsigned worker);

/* Makes a client of the instance. Returns the blocking descriptor of the other
 * end. */
int hall_client(struct hall *hall, unsigned service, unsigned worker);

/* Polls the main dispatcher until done(arg); fails the test after 20 s. */
void hall_wait(struct hall *hall, bool (*done)(void *arg), void *arg);

/* The same until a counter, which another thread may write, is at least n. */
void hall_wait_count(struct hall *hall, const unsigned *counter, unsigned n);

/* The same until the charged bytes are between least and most. */
void hall_wait_held(struct hall *hall, uint64_t least, uint64_t most);

/* Adds one to a counter of hall_wait_count(). Each counter has one writer. */
void hall_count(unsigned *counter);

/* A worker that is blocked from the call until hall_let_go(). */
struct hall_stop {
	struct worker_call call;
	struct lined_service *service;
	void (*run)(struct lined_service *service, void *arg);
	void *arg;
	int fds[2];
	unsigned stopped;
};
void hall_stop(struct hall *hall, unsigned worker, struct hall_stop *stop);
/* Calls run() as hall_call() does, and then blocks the worker: what run()
 * publishes stays on the worker. */
void hall_stop_behind(struct hall *hall, unsigned service, unsigned worker,
		      void (*run)(struct lined_service *service, void *arg),
		      void *arg, struct hall_stop *stop);
void hall_let_go(struct hall *hall, struct hall_stop *stop);
