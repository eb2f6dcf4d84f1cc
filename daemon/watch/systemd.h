/* SPDX-License-Identifier: MIT */
/*
 * Reports the daemon's state to the service manager: ready, reloading or
 * stopping, a line for `systemctl status`, and WATCHDOG=1 while no worker is
 * stuck. sd_notify.h sends the notifications. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <lined/timer.h>

struct worker_watch;
struct server;

/* The size of the line for `systemctl status`, with its NUL. */
#define SYSTEMD_STATUS_MAX 256

struct systemd {
	const struct server *server;
	const struct worker_watch *watch;
	struct lined_timer update, watchdog, flush;
	bool refused;                  /* the last reload was refused */
	char sent[SYSTEMD_STATUS_MAX]; /* the last line sent */
};

/* -1/ENOMEM. server and watch must outlive systemd. */
int systemd_start(struct systemd *systemd, const struct server *server,
		  const struct worker_watch *watch);
void systemd_stop(struct systemd *systemd);

/* All addresses are open. */
void systemd_ready(struct systemd *systemd);
/* systemd_reloading(): a reload begins. systemd_reloaded(): it has ended;
 * applied false: it was refused. */
void systemd_reloading(struct systemd *systemd);
void systemd_reloaded(struct systemd *systemd, bool applied);
/* The daemon starts stopping; its clients are drained within at_most_ms. */
void systemd_stopping(struct systemd *systemd, uint32_t at_most_ms);
