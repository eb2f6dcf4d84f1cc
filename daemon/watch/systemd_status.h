/* SPDX-License-Identifier: MIT */
/*
 * Reports the daemon's state to the service manager: ready, reloading or
 * stopping, a line for `systemctl status`, and WATCHDOG=1 as long as no worker
 * is stuck. sd_notify.h sends it. Main thread.
 */
#ifndef SYSTEMD_STATUS_H
#define SYSTEMD_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/timer.h>

struct heartbeat;
struct server;

/* Room for the line about the daemon. */
#define SYSTEMD_STATUS_MAX 256

struct systemd_status {
	const struct server *server;
	const struct heartbeat *heartbeat;
	struct lined_timer update, watchdog, flush;
	bool refused; /* the last reload was */
	char sent[SYSTEMD_STATUS_MAX];
};

/* -1/ENOMEM. Server and heartbeat live longer. */
int systemd_status_start(struct systemd_status *status,
			 const struct server *server,
			 const struct heartbeat *heartbeat);
/* Legal where it was never started. */
void systemd_status_stop(struct systemd_status *status);

/* Everything is open and served. */
void systemd_status_ready(struct systemd_status *status);
/* A reload begins; it has ended, and was applied or refused. */
void systemd_status_reloading(struct systemd_status *status);
void systemd_status_reloaded(struct systemd_status *status, bool applied);
/* The daemon begins to stop, which takes at most this long. */
void systemd_status_stopping(struct systemd_status *status,
			     uint32_t at_most_ms);

#endif
