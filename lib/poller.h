/* SPDX-License-Identifier: MIT */
/*
 * What a poller is: a small table of functions that watch descriptors for the
 * dispatcher. A kqueue engine is one more file with one more table, and one
 * more line in poller.c. Knows delegates by their descriptor, mode and slot
 * only; calls no handler.
 */
#ifndef POLLER_H
#define POLLER_H

#include <stddef.h>

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
	/* Watch, for mode (enum lined_mode); slot is the poller's own. */
	int (*add)(struct poller *poller, struct lined_delegate *delegate,
		   unsigned mode);
	int (*change)(struct poller *poller, struct lined_delegate *delegate,
		      unsigned mode);
	void (*remove)(struct poller *poller, struct lined_delegate *delegate);
	/*
	 * Waits timeout_ms (-1: for ever) for at most max events; how many, or
	 * -1 and errno (EINTR among others). Level-triggered.
	 */
	int (*wait)(struct poller *poller, struct poll_event *events, int max,
		    int timeout_ms);
};

extern const struct poller_ops poller_epoll;
extern const struct poller_ops poller_poll;

/* The table of that name, or the system's best for NULL; NULL/EINVAL. */
const struct poller_ops *poller_find(const char *name);

#endif
