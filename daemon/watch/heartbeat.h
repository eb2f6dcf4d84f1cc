/* SPDX-License-Identifier: MIT */
/*
 * Watches the workers' threads. Every few seconds the main thread wakes each of
 * them and checks that the wake-up before this one made it turn. A worker that
 * did not turn is stuck: the log says so once, with the code that it runs, and
 * once more when it continues. A worker that is the main thread itself is
 * checked by the log's thread, which is the only other one; it is not woken,
 * but must not stay in one handler all that time. Main thread.
 */
#ifndef HEARTBEAT_H
#define HEARTBEAT_H

#include <stdint.h>

#include <lined/timer.h>

struct current_code;
struct server;
struct worker;

/* Between two checks; less where the service manager's watchdog would expire
 * first. */
#define HEARTBEAT_MS 5000

struct heartbeat {
	struct server *server;
	const struct current_code *code;
	struct lined_timer timer;
	uint32_t every_ms;
};

/* The workers run. -1 and errno. */
int heartbeat_start(struct heartbeat *heartbeat, struct server *server,
		    const struct current_code *code);
/* Legal where it was never started. */
void heartbeat_stop(struct heartbeat *heartbeat);

/* Checks now, as the timer does: for the main thread, while it waits for a
 * worker. */
void heartbeat_check(struct heartbeat *heartbeat);

/* The first worker that is stuck; NULL: none, or it was never started. */
const struct worker *heartbeat_find_stuck(const struct heartbeat *heartbeat);

#endif
