/* SPDX-License-Identifier: MIT */
/*
 * Finds out whose code a worker is running: for the heartbeat and for the
 * report of a crash. Compares what the worker has noted with the services and
 * modules that exist, and dereferences no pointer of another thread.
 */
#ifndef CURRENT_CODE_H
#define CURRENT_CODE_H

#include <stdbool.h>

#include "system/crash.h"

struct modules;
struct server;
struct worker;

/* Where to look for the owner of code. */
struct current_code {
	const struct server *server;
	const struct modules *modules;
	struct crash_reporter reporter; /* for crash_watch() */
};

struct code_owner {
	const char *protocol;
	const char *service; /* NULL: in a timer or a message, of any service */
};

/* Both may still be all zero; they are not copied. */
void current_code_init(struct current_code *code, const struct server *server,
		       const struct modules *modules);

/* Whether the worker runs a handler, or other code of a protocol. MT-safe. */
bool current_code_is_handler(const struct worker *worker);

/* False: the worker runs lined's own code. Main thread, or with server.lists
 * held; in a signal handler any thread. */
bool current_code_find(const struct current_code *code,
		       const struct worker *worker, struct code_owner *owner);

#endif
