/* SPDX-License-Identifier: MIT */
/*
 * Watches over the workers' threads: every few seconds the main thread wakes
 * each of them and looks whether the one before made it turn. One that did not
 * is named in the log, once, with what it is in, and once more when it goes
 * on. A worker that is the main thread itself is watched from the log's thread,
 * the only other one; it is not woken, but must not be in the same handler for
 * all that time. Main thread.
 */
#ifndef HEARTBEAT_H
#define HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

#include <lined/timer.h>

struct server;
struct worker;

/* Between two looks; less where a watchdog would be there first. */
#define HEARTBEAT_MS 5000

struct heartbeat {
	struct server *server;
	struct lined_timer timer;
	uint32_t every_ms;
};

/* -1 and errno. */
int heartbeat_start(struct heartbeat *heartbeat, struct server *server);
void heartbeat_stop(struct heartbeat *heartbeat);

/* Looks now, as the timer does: for the main thread, while it waits for a
 * worker. */
void heartbeat_look(struct heartbeat *heartbeat);

/* Whether a worker stands still; the main thread, which asks, does not. */
bool heartbeat_missed(const struct worker *worker);
/* The first that does. NULL: none, or it was never started. */
const struct worker *heartbeat_find_stuck(const struct heartbeat *heartbeat);

#endif
