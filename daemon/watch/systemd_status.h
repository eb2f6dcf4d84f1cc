/* SPDX-License-Identifier: MIT */
/*
 * Reports the daemon's state to the service manager: ready, reloading or
 * stopping, a line for `systemctl status`, and WATCHDOG=1 while no worker is
 * stuck. sd_notify.h sends the notifications. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/timer.h>

struct heartbeat;
struct server;

/* The size of the line for `systemctl status`, with its NUL. */
#define SYSTEMD_STATUS_MAX 256

struct systemd_status {
	const struct server *server;
	const struct heartbeat *heartbeat;
	struct lined_timer update, watchdog, flush;
	bool refused;                  /* the last reload was refused */
	char sent[SYSTEMD_STATUS_MAX]; /* the last line sent */
};

/* -1/ENOMEM. Server and heartbeat must outlive the status. */
int systemd_status_start(struct systemd_status *status,
			 const struct server *server,
			 const struct heartbeat *heartbeat);
/* Does nothing if the status was never started. */
void systemd_status_stop(struct systemd_status *status);

/* All addresses are open. */
void systemd_status_ready(struct systemd_status *status);
/* A reload begins; or it has ended, applied or refused. */
void systemd_status_reloading(struct systemd_status *status);
void systemd_status_reloaded(struct systemd_status *status, bool applied);
/* The daemon starts stopping; its clients are drained within at_most_ms. */
void systemd_status_stopping(struct systemd_status *status,
			     uint32_t at_most_ms);
