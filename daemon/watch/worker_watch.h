/* SPDX-License-Identifier: MIT */
/*
 * Watches the workers' threads. Every few seconds the main thread wakes each
 * worker and checks that it has made a turn since the last check. A worker
 * without a turn is stuck, which is logged once with the code that runs; the
 * recovery is logged, too. If the only worker is the main thread, the log's
 * thread checks it without waking it: the worker is stuck if it stays in a
 * handler for the whole interval. All functions: main thread.
 */
#pragma once

#include <stdint.h>

#include <lined/timer.h>

struct running_protocol;
struct server;
struct worker;

/* The interval between checks; shorter if the service manager's watchdog has a
 * short timeout. */
#define WORKER_WATCH_MS 5000

struct worker_watch {
	struct server *server;
	const struct running_protocol *code;
	struct lined_timer timer;
	uint32_t every_ms;
};

/* Starts the watch, after the workers. -1 and errno. */
int worker_watch_start(struct worker_watch *watch, struct server *server,
		       const struct running_protocol *code);
void worker_watch_stop(struct worker_watch *watch);

/* The first stuck worker; NULL: none. */
const struct worker *worker_watch_find_stuck(const struct worker_watch *watch);
