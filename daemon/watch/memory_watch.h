/* SPDX-License-Identifier: MIT */
/*
 * Watches the daemon's memory. The allocator does not tell which module has
 * allocated it. When the daemon has grown much, the log says so and names the
 * services that handled most lines meanwhile: a module that leaks is likely
 * among them. Main thread.
 */
#ifndef MEMORY_WATCH_H
#define MEMORY_WATCH_H

#include <stdint.h>

#include <lined/timer.h>

struct server;

/* Often enough to report before a limit of the system ends the daemon. */
#define MEMORY_WATCH_MS 2000

struct memory_watch {
	struct server *server;
	struct lined_timer timer;
	uint64_t logged_kib, logged_ms; /* the last report: size and time */
};

/* -1/ENOMEM. The server lives longer. */
int memory_watch_start(struct memory_watch *watch, struct server *server);
/* Legal where it was never started. */
void memory_watch_stop(struct memory_watch *watch);

#endif
