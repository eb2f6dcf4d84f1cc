/* SPDX-License-Identifier: MIT */
/*
 * Decides when each notification is sent. The main thread sends WATCHDOG=1, so
 * a stuck main thread sends none; worker_watch.c finds other stuck workers.
 */
#include "config.h"

#include "watch/systemd.h"

#include <stdio.h>
#include <string.h>

#include "serve/server.h"
#include "system/sd_notify.h"
#include "watch/worker_watch.h"

#define STATUS_MS 2000
#define FLUSH_MS  20

/* The longest interval between two WATCHDOG=1. */
#define WATCHDOG_MS_MAX 20000u

/* Time for stopping, added to drain-timeout. */
#define STOP_SLACK_MS 10000

/* ---- status ----------------------------------------------------------- */

static const char *systemd_plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void systemd_describe_status(const struct systemd *systemd,
				    char text[SYSTEMD_STATUS_MAX])
{
	const struct server *server = systemd->server;
	size_t clients = server->env.clients, services;
	const struct worker *stuck = worker_watch_find_stuck(systemd->watch);
	size_t len;

	if (server->stopping) {
		snprintf(text, SYSTEMD_STATUS_MAX,
			 "Stopping: %zu client%s left", clients,
			 systemd_plural(clients));
		return;
	}
	services = server->conf->service_count;
	snprintf(text, SYSTEMD_STATUS_MAX,
		 "Serving %zu service%s on %zu worker%s: %zu client%s",
		 services, systemd_plural(services), server->worker_count,
		 systemd_plural(server->worker_count), clients,
		 systemd_plural(clients));
	len = strlen(text);
	if (stuck != NULL)
		snprintf(text + len, SYSTEMD_STATUS_MAX - len,
			 "; worker %u is stuck", stuck->index);
	len = strlen(text);
	if (systemd->refused)
		snprintf(text + len, SYSTEMD_STATUS_MAX - len,
			 "; the last reload was refused");
}

static void systemd_send_status(struct systemd *systemd)
{
	char text[SYSTEMD_STATUS_MAX];

	systemd_describe_status(systemd, text);
	if (strcmp(text, systemd->sent) == 0)
		return;
	strcpy(systemd->sent, text);
	sd_notify_status("%s", text);
}

/* ---- timers ----------------------------------------------------------- */

/* Flushes notifications; if the timer cannot start (no memory), the next status
 * sends the rest. */
static void systemd_flush(struct systemd *systemd)
{
	if (!sd_notify_flush() && !lined_timer_is_armed(&systemd->flush))
		lined_timer_start(&systemd->flush, FLUSH_MS, 0);
}

static void systemd_flush_fired(struct lined_timer *timer)
{
	systemd_flush(lined_container_of(timer, struct systemd, flush));
}

static void systemd_update_fired(struct lined_timer *timer)
{
	struct systemd *systemd =
		lined_container_of(timer, struct systemd, update);

	systemd_send_status(systemd);
	systemd_flush(systemd);
}

static void systemd_watchdog_fired(struct lined_timer *timer)
{
	struct systemd *systemd =
		lined_container_of(timer, struct systemd, watchdog);

	if (worker_watch_find_stuck(systemd->watch) == NULL)
		sd_notify_watchdog();
}

/* At most a third of the watchdog's timeout, so that one WATCHDOG=1 may be
 * late. */
static uint32_t systemd_watchdog_ms(uint64_t watchdog_ms)
{
	uint64_t every = watchdog_ms / 3;

	if (every == 0)
		return 1;
	return every < WATCHDOG_MS_MAX ? (uint32_t)every : WATCHDOG_MS_MAX;
}

int systemd_start(struct systemd *systemd, const struct server *server,
		  const struct worker_watch *watch)
{
	struct lined_dispatcher *dispatcher = server->dispatcher;
	uint64_t watchdog_ms = sd_notify_watchdog_ms();
	uint32_t every = systemd_watchdog_ms(watchdog_ms);

	systemd->server = server;
	systemd->watch = watch;
	lined_timer_init(&systemd->update, dispatcher, systemd_update_fired);
	lined_timer_init(&systemd->watchdog, dispatcher,
			 systemd_watchdog_fired);
	lined_timer_init(&systemd->flush, dispatcher, systemd_flush_fired);
	if (!sd_notify_is_wanted())
		return 0;
	if (lined_timer_start(&systemd->update, STATUS_MS, STATUS_MS) < 0)
		return -1;
	if (watchdog_ms == 0)
		return 0;
	return lined_timer_start(&systemd->watchdog, every, every);
}

void systemd_stop(struct systemd *systemd)
{
	lined_timer_stop(&systemd->update);
	lined_timer_stop(&systemd->watchdog);
	lined_timer_stop(&systemd->flush);
}

/* ---- life ------------------------------------------------------------- */

void systemd_ready(struct systemd *systemd)
{
	sd_notify_ready();
	systemd_send_status(systemd);
	systemd_flush(systemd);
}

void systemd_reloading(struct systemd *systemd)
{
	sd_notify_reloading();
	systemd_flush(systemd);
}

void systemd_reloaded(struct systemd *systemd, bool applied)
{
	systemd->refused = !applied;
	systemd_ready(systemd);
}

void systemd_stopping(struct systemd *systemd, uint32_t at_most_ms)
{
	sd_notify_stopping((uint64_t)at_most_ms + STOP_SLACK_MS);
	systemd_send_status(systemd);
	systemd_flush(systemd);
}
