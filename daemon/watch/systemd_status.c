/* SPDX-License-Identifier: MIT */
/*
 * Decides when each notification is sent. The main thread sends WATCHDOG=1, so
 * a stuck main thread sends none; the heartbeat finds other stuck workers.
 */
#include "config.h"

#include "watch/systemd_status.h"

#include <stdio.h>
#include <string.h>

#include "serve/server.h"
#include "system/sd_notify.h"
#include "watch/heartbeat.h"

#define STATUS_MS 2000
#define FLUSH_MS  20

/* The longest interval between WATCHDOG=1, even if the watchdog's timeout is
 * long. */
#define WATCHDOG_MS_MAX 20000u

/* Time for stopping, added to drain-timeout. */
#define STOP_SLACK_MS 10000

/* ---- status ----------------------------------------------------------- */

static const char *systemd_status_plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void systemd_status_describe(const struct systemd_status *status,
				    char text[SYSTEMD_STATUS_MAX])
{
	const struct server *server = status->server;
	size_t clients = server->clients, services;
	const struct worker *stuck = heartbeat_find_stuck(status->heartbeat);
	size_t len;

	if (server->stopping) {
		snprintf(text, SYSTEMD_STATUS_MAX,
			 "Stopping: %zu client%s left", clients,
			 systemd_status_plural(clients));
		return;
	}
	services = server->conf->service_count;
	snprintf(text, SYSTEMD_STATUS_MAX,
		 "Serving %zu service%s on %zu worker%s: %zu client%s",
		 services, systemd_status_plural(services),
		 server->worker_count,
		 systemd_status_plural(server->worker_count), clients,
		 systemd_status_plural(clients));
	len = strlen(text);
	if (stuck != NULL)
		snprintf(text + len, SYSTEMD_STATUS_MAX - len,
			 "; worker %u is stuck", stuck->index);
	len = strlen(text);
	if (status->refused)
		snprintf(text + len, SYSTEMD_STATUS_MAX - len,
			 "; the last reload was refused");
}

static void systemd_status_send(struct systemd_status *status)
{
	char text[SYSTEMD_STATUS_MAX];

	systemd_status_describe(status, text);
	if (strcmp(text, status->sent) == 0)
		return;
	strcpy(status->sent, text);
	sd_notify_status("%s", text);
}

/* ---- timers ----------------------------------------------------------- */

/* Flushes notifications; if the timer cannot start (no memory), the next status
 * sends the rest. */
static void systemd_status_flush(struct systemd_status *status)
{
	if (!sd_notify_flush() && !lined_timer_is_armed(&status->flush))
		lined_timer_start(&status->flush, FLUSH_MS, 0);
}

static void systemd_flush_fired(struct lined_timer *timer)
{
	systemd_status_flush(
		lined_container_of(timer, struct systemd_status, flush));
}

static void systemd_status_fired(struct lined_timer *timer)
{
	struct systemd_status *status =
		lined_container_of(timer, struct systemd_status, update);

	systemd_status_send(status);
	systemd_status_flush(status);
}

static void systemd_watchdog_fired(struct lined_timer *timer)
{
	struct systemd_status *status =
		lined_container_of(timer, struct systemd_status, watchdog);

	if (heartbeat_find_stuck(status->heartbeat) == NULL)
		sd_notify_watchdog();
}

/* A third of the watchdog's timeout, so that one WATCHDOG=1 may be late. */
static uint32_t systemd_watchdog_ms(uint64_t watchdog_ms)
{
	uint64_t every = watchdog_ms / 3;

	if (every == 0)
		return 1;
	return every < WATCHDOG_MS_MAX ? (uint32_t)every : WATCHDOG_MS_MAX;
}

int systemd_status_start(struct systemd_status *status,
			 const struct server *server,
			 const struct heartbeat *heartbeat)
{
	struct lined_dispatcher *dispatcher = server->dispatcher;
	uint64_t watchdog_ms = sd_notify_watchdog_ms();
	uint32_t every = systemd_watchdog_ms(watchdog_ms);

	status->server = server;
	status->heartbeat = heartbeat;
	lined_timer_init(&status->update, dispatcher, systemd_status_fired);
	lined_timer_init(&status->watchdog, dispatcher, systemd_watchdog_fired);
	lined_timer_init(&status->flush, dispatcher, systemd_flush_fired);
	if (!sd_notify_is_wanted())
		return 0;
	if (lined_timer_start(&status->update, STATUS_MS, STATUS_MS) < 0)
		return -1;
	if (watchdog_ms == 0)
		return 0;
	return lined_timer_start(&status->watchdog, every, every);
}

void systemd_status_stop(struct systemd_status *status)
{
	if (status->server == NULL)
		return;
	lined_timer_stop(&status->update);
	lined_timer_stop(&status->watchdog);
	lined_timer_stop(&status->flush);
}

/* ---- life ------------------------------------------------------------- */

void systemd_status_ready(struct systemd_status *status)
{
	sd_notify_ready();
	systemd_status_send(status);
	systemd_status_flush(status);
}

void systemd_status_reloading(struct systemd_status *status)
{
	sd_notify_reloading();
	systemd_status_flush(status);
}

void systemd_status_reloaded(struct systemd_status *status, bool applied)
{
	status->refused = !applied;
	systemd_status_ready(status);
}

void systemd_status_stopping(struct systemd_status *status, uint32_t at_most_ms)
{
	sd_notify_stopping((uint64_t)at_most_ms + STOP_SLACK_MS);
	systemd_status_send(status);
	systemd_status_flush(status);
}
