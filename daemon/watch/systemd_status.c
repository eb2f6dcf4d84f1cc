/* SPDX-License-Identifier: MIT */
/*
 * When the service manager is told what. The watchdog is fed by the main
 * thread, so a main thread that stands still feeds nobody; the heartbeat
 * answers for the workers.
 */
#include "config.h"

#include "watch/systemd_status.h"

#include <stdio.h>
#include <string.h>

#include "watch/heartbeat.h"
#include "system/sd_notify.h"
#include "serve/server.h"

#define STATUS_MS 2000
#define FLUSH_MS  20

/* More often than twice a minute, whatever the watchdog would bear. */
#define FOOD_MS 20000u

/* What the end takes beyond the drain. */
#define STOP_SLACK_MS 10000

/* ---- status ----------------------------------------------------------- */

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

void manager_describe(const struct manager *manager,
		      char text[MANAGER_STATUS_MAX])
{
	const struct server *server = manager->server;
	size_t clients = server->clients, services;
	const struct worker *stuck = heartbeat_find_stuck(&server->heartbeat);
	size_t len;

	if (server->stopping) {
		snprintf(text, MANAGER_STATUS_MAX,
			 "Stopping: %zu client%s left", clients,
			 plural(clients));
		return;
	}
	services = server->generation->conf->service_count;
	snprintf(text, MANAGER_STATUS_MAX,
		 "Serving %zu service%s on %zu worker%s: %zu client%s",
		 services, plural(services), server->worker_count,
		 plural(server->worker_count), clients, plural(clients));
	len = strlen(text);
	if (stuck != NULL)
		snprintf(text + len, MANAGER_STATUS_MAX - len,
			 "; worker %u is stuck", stuck->index);
	len = strlen(text);
	if (manager->refused)
		snprintf(text + len, MANAGER_STATUS_MAX - len,
			 "; the last reload was refused");
}

static void tell_status(struct manager *manager)
{
	char text[MANAGER_STATUS_MAX];

	manager_describe(manager, text);
	if (strcmp(text, manager->told) == 0)
		return;
	strcpy(manager->told, text);
	notify_status("%s", text);
}

/* ---- timers ----------------------------------------------------------- */

/* The slot of a timer that is not armed is not to be had for certain: without
 * it what waits is sent with the next status. */
static void flush(struct manager *manager)
{
	if (!notify_flush() && !lined_timer_is_armed(&manager->flush))
		lined_timer_start(&manager->flush, FLUSH_MS, 0);
}

static void flush_due(struct lined_timer *timer)
{
	flush(lined_container_of(timer, struct manager, flush));
}

static void status_due(struct lined_timer *timer)
{
	struct manager *manager =
		lined_container_of(timer, struct manager, status);

	tell_status(manager);
	flush(manager);
}

static void watchdog_due(struct lined_timer *timer)
{
	struct manager *manager =
		lined_container_of(timer, struct manager, watchdog);

	if (heartbeat_find_stuck(&manager->server->heartbeat) == NULL)
		notify_watchdog();
}

/* Three times in each of its intervals: one may come late. */
static uint32_t food_ms(uint64_t watchdog_ms)
{
	uint64_t every = watchdog_ms / 3;

	if (every == 0)
		return 1;
	return every < FOOD_MS ? (uint32_t)every : FOOD_MS;
}

int manager_start(struct manager *manager, struct server *server)
{
	struct lined_dispatcher *dispatcher = server->dispatcher;
	uint64_t watchdog_ms = notify_watchdog_ms();
	uint32_t every = food_ms(watchdog_ms);

	manager->server = server;
	lined_timer_init(&manager->status, dispatcher, status_due);
	lined_timer_init(&manager->watchdog, dispatcher, watchdog_due);
	lined_timer_init(&manager->flush, dispatcher, flush_due);
	if (!notify_is_wanted())
		return 0;
	if (lined_timer_start(&manager->status, STATUS_MS, STATUS_MS) < 0)
		return -1;
	if (watchdog_ms == 0)
		return 0;
	return lined_timer_start(&manager->watchdog, every, every);
}

void manager_stop(struct manager *manager)
{
	lined_timer_stop(&manager->status);
	lined_timer_stop(&manager->watchdog);
	lined_timer_stop(&manager->flush);
}

/* ---- life ------------------------------------------------------------- */

void manager_ready(struct manager *manager)
{
	notify_ready();
	tell_status(manager);
	flush(manager);
}

void manager_reloading(struct manager *manager)
{
	notify_reloading();
	flush(manager);
}

void manager_reloaded(struct manager *manager, bool done)
{
	manager->refused = !done;
	manager_ready(manager);
}

void manager_stopping(struct manager *manager, uint32_t at_most_ms)
{
	notify_stopping((uint64_t)at_most_ms + STOP_SLACK_MS);
	tell_status(manager);
	flush(manager);
}
