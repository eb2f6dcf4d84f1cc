/* SPDX-License-Identifier: MIT */
/*
 * A timer of the main thread wakes the workers and compares their turn
 * counters. If the main thread is the only worker, the log's thread checks the
 * main thread.
 */
#include "config.h"

#include "watch/worker_watch.h"

#include <pthread.h>
#include <stdbool.h>

#include "clock.h"
#include "log/log.h"
#include "serve/server.h"
#include "system/sd_notify.h"
#include "watch/running_protocol.h"

/* The interval between checks while a worker is stuck: short, so that its
 * recovery is logged soon. */
#define WORKER_WATCH_STUCK_MS 1000

static void worker_watch_log_stuck(struct worker_watch *watch,
				   const struct worker *worker, uint64_t now_ms)
{
	unsigned seconds =
		(unsigned)((now_ms - worker->turned_ms + 999) / 1000);
	struct code_owner owner;

	pthread_mutex_lock(&watch->server->lists);
	if (!running_protocol_find(watch->code, worker, &owner))
		log_warning("worker %u: stuck for %u s", worker->index,
			    seconds);
	else if (owner.service == NULL)
		log_warning("worker %u: stuck for %u s: in protocol %s",
			    worker->index, seconds, owner.protocol);
	else
		log_warning("worker %u: stuck for %u s: in protocol %s, "
			    "service %s",
			    worker->index, seconds, owner.protocol,
			    owner.service);
	pthread_mutex_unlock(&watch->server->lists);
}

static void worker_watch_check(struct worker_watch *watch,
			       struct worker *worker, uint64_t now_ms)
{
	uint32_t turns = __atomic_load_n(&worker->turns, __ATOMIC_RELAXED);

	if (turns != worker->turns_seen ||
	    (!worker->threaded && !running_protocol_is_handler(worker))) {
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
		   now_ms - worker->turned_ms >= watch->every_ms) {
		worker->stuck = true;
		worker_watch_log_stuck(watch, worker, now_ms);
	}
}

/* Checks the workers. Returns the ms until the next check. */
static uint32_t worker_watch_tick(void *arg)
{
	struct worker_watch *watch = arg;
	struct server *server = watch->server;
	uint64_t now_ms = clock_monotonic_ms();
	uint32_t next_ms = watch->every_ms;
	size_t i;

	for (i = 0; i < server->worker_count; i++) {
		worker_watch_check(watch, &server->workers[i], now_ms);
		if (server->workers[i].stuck && next_ms > WORKER_WATCH_STUCK_MS)
			next_ms = WORKER_WATCH_STUCK_MS;
	}
	return next_ms;
}

static void worker_watch_fired(struct lined_timer *timer)
{
	struct worker_watch *watch =
		lined_container_of(timer, struct worker_watch, timer);

	/* Cannot fail: the heap has room for the timer that just fired. */
	lined_timer_start(timer, worker_watch_tick(watch), 0);
}

/* WORKER_WATCH_MS, or a quarter of the watchdog's timeout if that is shorter: a
 * stuck worker is logged after two checks, well before the service manager
 * kills the daemon. */
static uint32_t worker_watch_interval_ms(void)
{
	uint64_t watchdog_ms = sd_notify_watchdog_ms();

	if (watchdog_ms == 0 || watchdog_ms / 4 >= WORKER_WATCH_MS)
		return WORKER_WATCH_MS;
	return watchdog_ms / 4 > 0 ? (uint32_t)(watchdog_ms / 4) : 1;
}

int worker_watch_start(struct worker_watch *watch, struct server *server,
		       const struct running_protocol *code)
{
	size_t i;

	watch->server = server;
	watch->code = code;
	for (i = 0; i < server->worker_count; i++)
		server->workers[i].turned_ms = clock_monotonic_ms();
	watch->every_ms = worker_watch_interval_ms();
	lined_timer_init(&watch->timer, server->dispatcher, worker_watch_fired);
	if (server->workers[0].threaded)
		return lined_timer_start(&watch->timer, watch->every_ms, 0);
	log_tick(watch->every_ms, worker_watch_tick, watch);
	return 0;
}

void worker_watch_stop(struct worker_watch *watch)
{
	lined_timer_stop(&watch->timer);
	log_tick(0, NULL, NULL);
}

const struct worker *worker_watch_find_stuck(const struct worker_watch *watch)
{
	const struct server *server = watch->server;
	size_t i;

	for (i = 0; i < server->worker_count; i++)
		if (worker_is_stuck(&server->workers[i]))
			return &server->workers[i];
	return NULL;
}
