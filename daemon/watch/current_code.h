/* SPDX-License-Identifier: MIT */
/*
 * Finds the protocol and the service whose code a worker is running, for the
 * heartbeat and for the report of a crash. Compares the pointers that the
 * worker has stored with the existing services and modules; dereferences no
 * pointer of another thread.
 */
#pragma once

#include <stdbool.h>

#include "system/crash.h"

struct modules;
struct server;
struct worker;

/* The services and modules to search. */
struct current_code {
	const struct server *server;
	const struct modules *modules;
	struct crash_reporter reporter; /* for crash_watch() */
};

struct code_owner {
	const char *protocol;
	const char *service; /* NULL: not known, in a timer or a message */
};

/* Keeps the pointers. server and modules may still be zeroed memory, and are
 * filled later. */
void current_code_init(struct current_code *code, const struct server *server,
		       const struct modules *modules);

/* Whether the worker runs a handler, or other code of a protocol. MT-safe. */
bool current_code_is_handler(const struct worker *worker);

/* False: the worker runs lined's own code, and *owner is unchanged. Main
 * thread; any thread with server.lists locked, or in the signal handler of a
 * crash. */
bool current_code_find(const struct current_code *code,
		       const struct worker *worker, struct code_owner *owner);
