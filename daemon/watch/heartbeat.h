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

struct current_code;
struct server;
struct worker;

/* The interval between checks; shorter if the service manager's watchdog has a
 * short timeout. */
#define HEARTBEAT_MS 5000

struct heartbeat {
	struct server *server;
	const struct current_code *code;
	struct lined_timer timer;
	uint32_t every_ms;
};

/* Starts the heartbeat, after the workers. -1 and errno. */
int heartbeat_start(struct heartbeat *heartbeat, struct server *server,
		    const struct current_code *code);
/* Does nothing if the heartbeat was never started. */
void heartbeat_stop(struct heartbeat *heartbeat);

/* Checks at once. Call this while the main thread waits for a worker: the timer
 * does not fire then. */
void heartbeat_check(struct heartbeat *heartbeat);

/* The first stuck worker; NULL: none, or no heartbeat was started. */
const struct worker *heartbeat_find_stuck(const struct heartbeat *heartbeat);
