/* SPDX-License-Identifier: MIT */
/*
 * Whose code a worker runs now: for whoever watches over it, the heartbeat and
 * the last words of a crash. Compares what the worker has noted with what there
 * is, and follows no pointer of another thread's.
 */
#ifndef RUNNING_H
#define RUNNING_H

#include <stdbool.h>

struct server;
struct worker;

struct running {
	const char *protocol;
	const char *service; /* NULL: a timer's, a message's: of any service */
};

/* Whether a handler runs, or a protocol's code beside one. MT-safe. */
bool running_anything(const struct worker *worker);

/* False: nobody's but lined's own. Main thread, or with server.lists held; in a
 * signal's handler any. */
bool running_find(const struct server *server, const struct worker *worker,
		  struct running *running);

/* The same on the worker's thread, which knows of services, too, that are not
 * yet or no more among the server's. */
bool running_find_own(const struct server *server, const struct worker *worker,
		      struct running *running);

#endif
