/* SPDX-License-Identifier: MIT */
/*
 * The server: the workers, the services and the config they were made of. A
 * reload is a transaction on it: everything new is opened and started first,
 * and if any of that fails nothing has changed. Main thread.
 */
#ifndef SERVER_H
#define SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/conf.h"
#include "list.h"
#include "serve/service.h"
#include "threads/worker.h"

struct bus;
struct bus_threads;
struct inherited;
struct reload_plan;
struct report;

struct server {
	struct lined_dispatcher *dispatcher;
	struct worker *workers;
	size_t worker_count;
	struct bus *bus;
	struct bus_threads *bus_threads; /* NULL: one worker */
	/* With more than one worker: the main thread as a worker, for internal
	 * services, so that control answers while a worker is stuck. It has a
	 * bus of its own, which carries nothing that the workers publish. */
	struct worker main_worker;
	struct bus *main_bus;
	struct list services; /* open */
	struct list draining; /* on their way out */
	/* The two lists change under this lock: the heartbeat may look at them
	 * from the log's thread. */
	pthread_mutex_t lists;
	struct conf *conf;
	struct conf *start_conf; /* keys that take effect at the start only */
	const struct inherited *inherited;
	struct service_env env;
	/* Clients of all services, and the most there were since memory was
	 * last given back. */
	size_t clients, most_clients;
	struct lined_timer trim;
	bool stopping;
	bool internal_stopping; /* they end when the others have */
	const struct server_events *events;
};

/* What the server reports to the daemon, on the main thread. */
struct server_events {
	/* A service begins to drain. */
	void (*drains)(struct server *server, struct service *service);
	/* A service has ended, and is freed after the call. */
	void (*ended)(struct server *server, struct service *service);
	/* The main thread still waits for a worker; once a second. */
	void (*waiting)(struct server *server);
	/* After server_stop(): every service has ended. */
	void (*stopped)(struct server *server);
};

/* Starts the workers. -1 and errno. */
int server_init(struct server *server, struct lined_dispatcher *dispatcher,
		size_t workers, const struct inherited *inherited,
		const struct server_events *events);
/* After events->stopped, or if nothing was applied. */
void server_fini(struct server *server);

/* Makes the services what the plan's config says. -1: nothing has changed, the
 * reasons are reported. */
int server_apply(struct reload_plan *plan, struct report *report);

/* Drains one of the services, within the drain-timeout of the config. */
void server_drain(struct server *server, struct service *service);

/* Drains all services; events->stopped follows. */
void server_stop(struct server *server);

/* Closes the listeners that are still open, before an exit that does not wait
 * for clients: their UNIX paths must not remain. */
void server_abandon(struct server *server);

/* Every service has ended. */
bool server_is_empty(const struct server *server);

/* Logs the counters of each service and of the bus. */
void server_log_counters(struct server *server);

/* For server_apply.c. */

/* Puts a service into one of the server's lists; NULL: into none. */
void server_move(struct server *server, struct service *service,
		 struct list *list);
/* Drains a service that is in one of the lists or in none; it is freed when it
 * has ended. */
void server_begin_drain(struct server *server, struct service *service,
			uint32_t timeout_ms);

#endif
