/* SPDX-License-Identifier: MIT */
/*
 * A poller: a table of functions that watch descriptors for the dispatcher. A
 * kqueue poller would be one more file with such a table, and one more line in
 * poller.c. A poller uses only the descriptor and the slot of a delegate, and
 * calls no handler.
 */
#pragma once

#include <stdint.h>

struct lined_delegate;
struct poller;

enum poll_ready {
	POLL_READY_READ = 1,
	POLL_READY_WRITE = 2,
	POLL_READY_ERROR = 4,
	POLL_READY_HANGUP = 8,
};

struct poll_event {
	struct lined_delegate *delegate;
	unsigned ready; /* enum poll_ready */
};

struct poller_ops {
	const char *name;
	struct poller *(*new)(void);
	void (*free)(struct poller *poller);
	/* Watches a delegate for mode (enum lined_mode). The poller may use
	 * delegate->slot. -1 and errno. */
	int (*add)(struct poller *poller, struct lined_delegate *delegate,
		   unsigned mode);
	int (*change)(struct poller *poller, struct lined_delegate *delegate,
		      unsigned mode);
	void (*remove)(struct poller *poller, struct lined_delegate *delegate);
	/* Makes wait() end at due_ms of CLOCK_MONOTONIC or sooner, even without
	 * an event. -1 and errno. If a poller has no arm(), the caller uses the
	 * time-out of wait(). */
	int (*arm)(struct poller *poller, uint64_t due_ms);
	/* Waits up to timeout_ms (-1: without limit) for at most max events,
	 * level-triggered. Returns how many, or -1 and errno (also EINTR). */
	int (*wait)(struct poller *poller, struct poll_event *events, int max,
		    int timeout_ms);
};

extern const struct poller_ops poller_epoll;
extern const struct poller_ops poller_poll;

/* Returns the poller with this name or, if name is NULL, the best one of those
 * that were built. NULL/EINVAL: none has this name. */
const struct poller_ops *poller_find(const char *name);
