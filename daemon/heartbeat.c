/* SPDX-License-Identifier: MIT */
/*
 * The heartbeat: a timer that wakes the workers and counts their turns, on the
 * main thread or, where that is the worker, beside it.
 */
#include "config.h"

#include "heartbeat.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "notify.h"
#include "running.h"
#include "server.h"

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

static void look(struct lined_timer *timer)
{
	struct heartbeat *heartbeat =
		lined_container_of(timer, struct heartbeat, timer);
	uint32_t after_ms = heartbeat->every_ms;

	heartbeat_look(heartbeat);
	if (is_any_stuck(heartbeat->server) && after_ms > STUCK_MS)
		after_ms = STUCK_MS;
	/* The slot of a timer that has just fired is free: this cannot fail. */
	lined_timer_start(timer, after_ms, 0);
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

static int begin(struct heartbeat *heartbeat, struct lined_dispatcher *d)
{
	lined_timer_init(&heartbeat->timer, d, look);
	return lined_timer_start(&heartbeat->timer, heartbeat->every_ms, 0);
}

static void run_begin(struct worker_call *call)
{
	struct heartbeat *heartbeat =
		lined_container_of(call, struct heartbeat, begin);

	if (begin(heartbeat, heartbeat->watcher.dispatcher) < 0)
		log_err("heartbeat: %s", strerror(errno));
}

/* The main thread is watched, and cannot do it itself. */
static int begin_beside(struct heartbeat *heartbeat)
{
	struct worker *watcher = &heartbeat->watcher;

	if (worker_start(watcher, 0, true, NULL) < 0)
		return -1;
	pthread_setname_np(watcher->thread, "lined/watch");
	heartbeat->begin.run = run_begin;
	worker_post(watcher, &heartbeat->begin);
	return 0;
}

int heartbeat_start(struct heartbeat *heartbeat, struct server *server)
{
	size_t i;

	heartbeat->server = server;
	for (i = 0; i < server->worker_count; i++)
		server->workers[i].turned_ms = clock_ms();
	heartbeat->every_ms = interval_ms();
	return server->workers[0].threaded
		       ? begin(heartbeat, server->dispatcher)
		       : begin_beside(heartbeat);
}

void heartbeat_stop(struct heartbeat *heartbeat)
{
	if (heartbeat->server == NULL)
		return;
	worker_stop(&heartbeat->watcher);
	if (heartbeat->timer.dispatcher != NULL)
		lined_timer_stop(&heartbeat->timer);
	worker_fini(&heartbeat->watcher);
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
