/* SPDX-License-Identifier: MIT */
/*
 * Watches the daemon's memory. The allocator does not know which module uses
 * it. When the daemon's size has doubled, this is logged with the services that
 * received most lines meanwhile: a module that leaks is probably among them.
 * When much of the memory is free, it is returned to the system. What the
 * ceiling of `memory` has done is logged once a minute. Main thread.
 */
#pragma once

#include <stdint.h>

#include <lined/timer.h>

struct server;

/* Short, so that growth is logged before the OOM killer ends the daemon. */
#define MEMORY_WATCH_MS 2000

struct memory_watch {
	struct server *server;
	struct lined_timer timer;
	uint64_t logged_kib,
		logged_ms; /* peak size and time of the last report */
	/* The least memory so far beyond what is allocated: the program, its
	 * stacks, and what cannot be returned. */
	uint64_t spare_bytes;
	/* Clients closed and refused at the ceiling, and bytes given up, by the
	 * last message about it; when the next one may come. */
	uint64_t closed, refused, given_up, ceiling_due_ms;
};

/* -1/ENOMEM. The server must outlive the watch. */
int memory_watch_start(struct memory_watch *watch, struct server *server);
/* Does nothing if it was never started. */
void memory_watch_stop(struct memory_watch *watch);
