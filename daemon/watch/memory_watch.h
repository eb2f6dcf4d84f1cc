/* SPDX-License-Identifier: MIT */
/*
 * Watches the daemon's memory. Whose it is cannot be told from the outside: a
 * module allocates as lined does. When there is much more of it than before,
 * the log says so, and names the services by what they did meanwhile: a module
 * that leaks is among those that did most. Main thread.
 */
#ifndef GROWTH_H
#define GROWTH_H

#include <stdint.h>

#include <lined/timer.h>

struct server;

/* Often enough to be ahead of what ends a daemon that takes too much. */
#define GROWTH_LOOK_MS 2000

struct growth {
	struct server *server;
	struct lined_timer timer;
	uint64_t told_kib, told_ms; /* what it was, and when */
};

/* -1/ENOMEM. */
int growth_start(struct growth *growth, struct server *server);
void growth_stop(struct growth *growth);

#endif
