/* SPDX-License-Identifier: MIT */
/*
 * The heartbeat: a timer that wakes the workers and compares their turn
 * counters. It runs on the main thread or, if the main thread is the only
 * worker, on the log's thread.
 */
#include "config.h"

#include "watch/heartbeat.h"

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "log/log.h"
#include "serve/server.h"
#include "system/sd_notify.h"
#include "watch/current_code.h"

/* The interval between checks while a worker is stuck: short, so that its
 * recovery is logged soon. */
#define HEARTBEAT_STUCK_MS 1000

static void heartbeat_log_stuck(struct heartbeat *heartbeat,
				const struct worker *worker, uint64_t now_ms)
{
	unsigned seconds =
		(unsigned)((now_ms - worker->turned_ms + 999) / 1000);
	struct code_owner owner;

	pthread_mutex_lock(&heartbeat->server->lists);
	if (!current_code_find(heartbeat->code, worker, &owner))
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
	pthread_mutex_unlock(&heartbeat->server->lists);
}

static void heartbeat_check_worker(struct heartbeat *heartbeat,
				   struct worker *worker, uint64_t now_ms)
{
	uint32_t turns = __atomic_load_n(&worker->turns, __ATOMIC_RELAXED);

	if (turns != worker->turns_seen ||
	    (!worker->threaded && !current_code_is_handler(worker))) {
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
		   now_ms - worker->turned_ms >= heartbeat->every_ms) {
		worker->stuck = true;
		heartbeat_log_stuck(heartbeat, worker, now_ms);
	}
}

/* Reads the clock. lined_dispatcher_now_ms() would be the time when the turn
 * began, perhaps long ago. */
static uint64_t heartbeat_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void heartbeat_check(struct heartbeat *heartbeat)
{
	struct server *server = heartbeat->server;
	uint64_t now_ms = heartbeat_now_ms();
	size_t i;

	for (i = 0; server != NULL && i < server->worker_count; i++)
		heartbeat_check_worker(heartbeat, &server->workers[i], now_ms);
}

/* Checks the workers. Returns the ms until the next check. */
static uint32_t heartbeat_tick(void *arg)
{
	struct heartbeat *heartbeat = arg;
	const struct server *server = heartbeat->server;
	size_t i;

	heartbeat_check(heartbeat);
	for (i = 0; i < server->worker_count; i++)
		if (server->workers[i].stuck &&
		    heartbeat->every_ms > HEARTBEAT_STUCK_MS)
			return HEARTBEAT_STUCK_MS;
	return heartbeat->every_ms;
}

static void heartbeat_fired(struct lined_timer *timer)
{
	struct heartbeat *heartbeat =
		lined_container_of(timer, struct heartbeat, timer);

	/* Cannot fail: the heap has room for the timer that just fired. */
	lined_timer_start(timer, heartbeat_tick(heartbeat), 0);
}

/* At most a quarter of the watchdog's timeout: a stuck worker is logged after
 * two checks, well before the service manager kills the daemon. */
static uint32_t heartbeat_interval_ms(void)
{
	uint64_t watchdog_ms = sd_notify_watchdog_ms();

	if (watchdog_ms == 0 || watchdog_ms / 4 >= HEARTBEAT_MS)
		return HEARTBEAT_MS;
	return watchdog_ms / 4 > 0 ? (uint32_t)(watchdog_ms / 4) : 1;
}

int heartbeat_start(struct heartbeat *heartbeat, struct server *server,
		    const struct current_code *code)
{
	size_t i;

	heartbeat->server = server;
	heartbeat->code = code;
	for (i = 0; i < server->worker_count; i++)
		server->workers[i].turned_ms = heartbeat_now_ms();
	heartbeat->every_ms = heartbeat_interval_ms();
	lined_timer_init(&heartbeat->timer, server->dispatcher,
			 heartbeat_fired);
	if (server->workers[0].threaded)
		return lined_timer_start(&heartbeat->timer, heartbeat->every_ms,
					 0);
	log_tick(heartbeat->every_ms, heartbeat_tick, heartbeat);
	return 0;
}

void heartbeat_stop(struct heartbeat *heartbeat)
{
	if (heartbeat->server == NULL)
		return;
	lined_timer_stop(&heartbeat->timer);
	log_tick(0, NULL, NULL);
}

const struct worker *heartbeat_find_stuck(const struct heartbeat *heartbeat)
{
	const struct server *server = heartbeat->server;
	size_t i;

	for (i = 0; server != NULL && i < server->worker_count; i++)
		if (worker_is_stuck(&server->workers[i]))
			return &server->workers[i];
	return NULL;
}
