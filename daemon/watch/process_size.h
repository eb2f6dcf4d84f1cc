/* SPDX-License-Identifier: MIT */
/*
 * Watches the size of the process. The allocator does not know which module
 * uses memory, so each doubling of the daemon's size is logged with the
 * services that received the most lines meanwhile: a leaking module is probably
 * among them. Free memory is returned to the system when there is much of it.
 * The effects of the ceiling `memory` are logged at most once a minute. Main
 * thread.
 */
#pragma once

#include <stdint.h>

#include <lined/timer.h>

struct server;

/* Short, so that growth is logged before the OOM killer ends the daemon. */
#define MEMORY_WATCH_MS 2000

struct process_size {
	struct server *server;
	struct lined_timer timer;
	uint64_t logged_kib,
		logged_ms; /* peak size and time of the last report */
	/* The smallest difference of resident and allocated memory since memory
	 * was last returned to the system: the program, its stacks, and what
	 * cannot be returned. */
	uint64_t spare_bytes;
	/* For messages about the ceiling: the counts of clients closed, of
	 * clients refused and of bytes given up, as of the last message.
	 * ceiling_due_ms: when the next message may follow. */
	uint64_t closed, refused, given_up, ceiling_due_ms;
};

/* -1/ENOMEM. The server must outlive the watch. */
int process_size_start(struct process_size *watch, struct server *server);
void process_size_stop(struct process_size *watch);
