/* SPDX-License-Identifier: MIT */
/*
 * The server: the workers, the services and their config. A reload is a
 * transaction: everything new is opened and started first, and if any of that
 * fails nothing has changed. Main thread.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cluster/cluster.h"
#include "config/conf.h"
#include "list.h"
#include "memory.h"
#include "serve/server_tls.h"
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
	/* With more than one worker: a worker on the main thread for internal
	 * services, so that control responds while a worker is stuck. It has a
	 * bus of its own, apart from that of the workers. */
	struct worker main_worker;
	struct bus *main_bus;
	struct list services; /* open */
	struct list draining; /* until they have ended */
	/* The main thread changes the two lists under this lock, because the
	 * heartbeat may read them on the log's thread. */
	pthread_mutex_t lists;
	struct conf *conf;
	struct conf *start_conf; /* for keys that need a restart */
	const struct inherited *inherited;
	struct service_env env;
	struct listen_texts listen_texts; /* of all listeners so far */
	struct memory memory; /* what all clients hold, and the ceiling */
	struct cluster_events cluster_events;
	struct conf *cluster_conf; /* whose section is in use; NULL: none */
	struct server_tls tls;
	size_t clients; /* of all services */
	bool stopping;
	uint64_t stop_end_ms;   /* while stopping: the end of the drains */
	bool internal_stopping; /* the internal services drain, too */
	const struct server_events *events;
};

/* Calls from the server to the daemon, on the main thread. */
struct server_events {
	/* A service begins to drain. */
	void (*drains)(struct server *server, struct service *service);
	/* A service has ended, and is freed after the call. */
	void (*ended)(struct server *server, struct service *service);
	/* After server_stop(): every service has ended. */
	void (*stopped)(struct server *server);
};

/* Starts the workers. -1 and errno. */
int server_init(struct server *server, struct lined_dispatcher *dispatcher,
		size_t workers, const struct inherited *inherited,
		const struct server_events *events);
/* To be called after events->stopped, or if nothing was applied. */
void server_fini(struct server *server);

/* Carries the plan out. -1: nothing has changed; the reasons are reported. */
int server_apply(struct reload_plan *plan, struct report *report);

/* Drains an open service, within drain-timeout. */
void server_drain(struct server *server, struct service *service);

/* Makes the cluster's part of this daemon, if the config has one and it is not
 * there yet; then enters, leaves or changes the cluster. -1: reported. */
int server_prepare_cluster(struct server *server, const struct conf *conf);
void server_use_cluster(struct server *server, const struct conf *conf,
			struct report *report);

/* Drains all services; then events->stopped is called. */
void server_stop(struct server *server);

/* Closes the listeners that are still open, before an exit that does not wait
 * for clients. Without this their UNIX paths would remain. */
void server_abandon(struct server *server);

/* The clients that were refused because of the ceiling, so far. */
uint64_t server_memory_refused(const struct server *server);

/* Every service has ended. */
bool server_is_empty(const struct server *server);

/* Logs the counters of each service and of the bus. */
void server_log_counters(struct server *server);

/* For server_apply.c. */

/* Moves a service to one of the server's lists; NULL: to none. */
void server_move(struct server *server, struct service *service,
		 struct list *list);
/* Drains a service, which need not be in a list; it is freed when it has
 * ended. */
void server_begin_drain(struct server *server, struct service *service,
			uint32_t timeout_ms);
