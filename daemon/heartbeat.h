/* SPDX-License-Identifier: MIT */
/*
 * Watches over the workers' threads: every few seconds the main thread wakes
 * each of them and looks whether the one before made it turn. One that did not
 * is named in the log, once, with what it is in, and once more when it goes
 * on. Main thread.
 */
#ifndef HEARTBEAT_H
#define HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

#include <lined/timer.h>

struct server;

/* Between two looks; less where a watchdog would be there first. */
#define HEARTBEAT_MS 5000

struct heartbeat {
	struct server *server;
	struct lined_timer timer;
	uint32_t every_ms;
};

/* For a server with workers on threads of their own. -1/ENOMEM. */
int heartbeat_start(struct heartbeat *heartbeat, struct server *server);
void heartbeat_stop(struct heartbeat *heartbeat);

/* Looks now, as the timer does: for the main thread, while it waits for a
 * worker. */
void heartbeat_look(struct heartbeat *heartbeat);

/* Whether some worker stands still; also where it was never started. */
bool heartbeat_is_stuck(const struct heartbeat *heartbeat);

#endif
