/* SPDX-License-Identifier: MIT */
/*
 * The heartbeat: a timer that wakes the workers and counts their turns, on the
 * main thread or, where that is the worker, on the log's.
 */
#include "config.h"

#include "watch/heartbeat.h"

#include <pthread.h>
#include <time.h>

#include "log/log.h"
#include "system/sd_notify.h"
#include "watch/current_code.h"
#include "serve/server.h"

/* While one is stuck: that it goes on is not to be told late. */
#define STUCK_MS 1000

static void tell_stuck(struct server *server, struct worker *worker,
		       uint64_t now_ms)
{
	unsigned seconds =
		(unsigned)((now_ms - worker->turned_ms + 999) / 1000);
	struct running running;

	pthread_mutex_lock(&server->lists);
	if (!running_find(server, worker, &running))
		log_warning("worker %u: stuck for %u s", worker->index,
			    seconds);
	else if (running.service == NULL)
		log_warning("worker %u: stuck for %u s: in protocol %s",
			    worker->index, seconds, running.protocol);
	else
		log_warning("worker %u: stuck for %u s: in protocol %s, "
			    "service %s",
			    worker->index, seconds, running.protocol,
			    running.service);
	pthread_mutex_unlock(&server->lists);
}

/* What was woken the last time has turned since, or is stuck. */
static void look_at(struct server *server, struct worker *worker,
		    uint64_t now_ms)
{
	uint32_t turns = __atomic_load_n(&worker->turns, __ATOMIC_RELAXED);

	if (turns != worker->turns_seen ||
	    (!worker->threaded && !running_anything(worker))) {
		if (worker->stuck)
			log_notice("worker %u: goes on after %u s",
				   worker->index,
				   (unsigned)((now_ms - worker->turned_ms) /
					      1000));
		worker->stuck = false;
		worker->turns_seen = turns;
		worker->turned_ms = now_ms;
		if (worker->threaded)
			lined_dispatcher_wake(worker->dispatcher);
	} else if (!worker->stuck &&
		   now_ms - worker->turned_ms >= server->heartbeat.every_ms) {
		worker->stuck = true;
		tell_stuck(server, worker, now_ms);
	}
}

/* Not the dispatcher's idea of now, which is as old as the turn. */
static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void heartbeat_look(struct heartbeat *heartbeat)
{
	struct server *server = heartbeat->server;
	uint64_t now_ms = clock_ms();
	size_t i;

	for (i = 0; server != NULL && i < server->worker_count; i++)
		look_at(server, &server->workers[i], now_ms);
}

static bool is_any_stuck(const struct server *server)
{
	size_t i;

	for (i = 0; i < server->worker_count; i++)
		if (server->workers[i].stuck)
			return true;
	return false;
}

/* After how many ms the next look is due. */
static uint32_t look(struct heartbeat *heartbeat)
{
	heartbeat_look(heartbeat);
	return is_any_stuck(heartbeat->server) && heartbeat->every_ms > STUCK_MS
		       ? STUCK_MS
		       : heartbeat->every_ms;
}

static void fired(struct lined_timer *timer)
{
	struct heartbeat *heartbeat =
		lined_container_of(timer, struct heartbeat, timer);

	/* The slot of a timer that has just fired is free: this cannot fail. */
	lined_timer_start(timer, look(heartbeat), 0);
}

static uint32_t ticked(void *arg)
{
	return look(arg);
}

/* A worker that stands still is found, and named, in two of these; then the
 * watchdog has the rest of its time to run out. */
static uint32_t interval_ms(void)
{
	uint64_t watchdog_ms = notify_watchdog_ms();

	if (watchdog_ms == 0 || watchdog_ms / 4 >= HEARTBEAT_MS)
		return HEARTBEAT_MS;
	return watchdog_ms / 4 > 0 ? (uint32_t)(watchdog_ms / 4) : 1;
}

int heartbeat_start(struct heartbeat *heartbeat, struct server *server)
{
	size_t i;

	heartbeat->server = server;
	for (i = 0; i < server->worker_count; i++)
		server->workers[i].turned_ms = clock_ms();
	heartbeat->every_ms = interval_ms();
	lined_timer_init(&heartbeat->timer, server->dispatcher, fired);
	if (server->workers[0].threaded)
		return lined_timer_start(&heartbeat->timer, heartbeat->every_ms,
					 0);
	log_tick(heartbeat->every_ms, ticked, heartbeat);
	return 0;
}

void heartbeat_stop(struct heartbeat *heartbeat)
{
	if (heartbeat->server == NULL)
		return;
	lined_timer_stop(&heartbeat->timer);
	log_tick(0, NULL, NULL);
}

bool heartbeat_missed(const struct worker *worker)
{
	return worker->threaded && worker->stuck;
}

const struct worker *heartbeat_find_stuck(const struct heartbeat *heartbeat)
{
	const struct server *server = heartbeat->server;
	size_t i;

	for (i = 0; server != NULL && i < server->worker_count; i++)
		if (heartbeat_missed(&server->workers[i]))
			return &server->workers[i];
	return NULL;
}
