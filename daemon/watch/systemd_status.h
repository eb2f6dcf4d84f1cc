/* SPDX-License-Identifier: MIT */
/*
 * What the service manager hears of the daemon while it lives: that it is
 * ready, reloads or stops, a line for `systemctl status`, and food for the
 * watchdog as long as every worker is alive. How that is sent is notify.h's
 * affair. Main thread.
 */
#ifndef MANAGER_H
#define MANAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/timer.h>

struct server;

/* Room for the line about the daemon. */
#define MANAGER_STATUS_MAX 256

struct manager {
	struct server *server;
	struct lined_timer status, watchdog, flush;
	bool refused; /* the last reload was */
	char told[MANAGER_STATUS_MAX];
};

/* -1/ENOMEM. The server lives longer. */
int manager_start(struct manager *manager, struct server *server);
void manager_stop(struct manager *manager);

/* Everything is open and served. */
void manager_ready(struct manager *manager);
/* A reload begins, and has ended. */
void manager_reloading(struct manager *manager);
void manager_reloaded(struct manager *manager, bool done);
/* The end begins, and takes no longer than this. */
void manager_stopping(struct manager *manager, uint32_t at_most_ms);

/* What `systemctl status` shows. */
void manager_describe(const struct manager *manager,
		      char text[MANAGER_STATUS_MAX]);

#endif
