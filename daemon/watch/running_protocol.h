/* SPDX-License-Identifier: MIT */
/*
 * Finds the protocol and the service whose code a worker is running, for
 * worker_watch.c and for the report of a crash. Compares the pointers stored by
 * the worker with the existing services and modules; never dereferences another
 * thread's pointers.
 */
#pragma once

#include <stdbool.h>

#include "system/crash.h"

struct modules;
struct server;
struct worker;

/* The services and modules to search. */
struct running_protocol {
	const struct server *server;
	const struct modules *modules;
	struct crash_reporter reporter; /* for crash_watch() */
};

struct code_owner {
	const char *protocol;
	const char *service; /* NULL: unknown; a timer or a message runs */
};

/* Stores the pointers. server and modules may still be zeroed and filled later.
 */
void running_protocol_init(struct running_protocol *code,
			   const struct server *server,
			   const struct modules *modules);

/* Whether the worker runs a handler or other code of a protocol. MT-safe. */
bool running_protocol_is_handler(const struct worker *worker);

/* Finds the owner of the code that the worker runs. False: lined's own code,
 * and *owner is unchanged. Main thread; or any thread with server.lists locked;
 * or the signal handler of a crash. */
bool running_protocol_find(const struct running_protocol *code,
			   const struct worker *worker,
			   struct code_owner *owner);
