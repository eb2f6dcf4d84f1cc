/* SPDX-License-Identifier: MIT */
/*
 * The server: the workers, the services and their config. A reload is a
 * transaction: everything new is opened and started first; if that fails,
 * nothing has changed. Main thread.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cluster/cluster.h"
#include "config/conf.h"
#include "list.h"
#include "memory_ceiling.h"
#include "serve/server_tls.h"
#include "serve/service.h"
#include "threads/worker.h"

struct bus;
struct bus_batches;
struct inherited;
struct report;

struct server {
	struct lined_dispatcher *dispatcher;
	struct worker *workers;
	size_t worker_count;
	struct bus *bus;
	struct bus_batches *bus_batches; /* NULL: one worker */
	/* With more than one worker: runs internal services on the main thread,
	 * so that control responds while a worker is stuck. main_bus is their
	 * bus, separate from the workers' bus. */
	struct worker main_worker;
	struct bus *main_bus;
	struct list services; /* open */
	struct list draining; /* draining, until they have ended */
	/* Held while the main thread changes the two lists: worker_watch.c may
	 * read them on the log's thread. */
	pthread_mutex_t lists;
	struct conf *conf;
	struct conf *start_conf; /* the first config */
	const struct inherited *inherited;
	struct service_env env;
	struct listen_texts listen_texts; /* texts of all listeners so far */
	struct memory_ceiling
		memory; /* usage of all clients, and the ceiling */
	struct cluster_events cluster_events;
	struct conf *cluster_conf; /* config of the cluster; NULL: none */
	bool cluster_leaving;      /* waits until clustered services have
				    * drained */
	struct server_tls tls;
	bool stopping;
	uint64_t stop_end_ms;   /* while stopping: when the drains must end */
	bool internal_stopping; /* the internal services also drain */
	const struct server_events *events;
};

/* Calls from the server to the daemon, on the main thread. */
struct server_events {
	/* A service starts draining. */
	void (*drains)(struct server *server, struct service *service);
	/* A service has ended and will be freed after this call. */
	void (*ended)(struct server *server, struct service *service);
	/* After server_stop(): every service has ended. */
	void (*stopped)(struct server *server);
};

/* Starts the workers. -1 and errno. */
int server_init(struct server *server, struct lined_dispatcher *dispatcher,
		size_t workers, const struct inherited *inherited,
		const struct server_events *events);
/* Call this after events->stopped, or if no config was applied. */
void server_fini(struct server *server);

/* Drains an open service, within drain-timeout. */
void server_drain(struct server *server, struct service *service);

/* server_prepare_cluster() makes the cluster if the config has a cluster and
 * the server has none (-1: reported). server_use_cluster() joins or changes the
 * cluster, and reports errors. server_leave_cluster() leaves a cluster that the
 * config no longer has, but only when the last clustered service has drained:
 * the messages about the clients that it closes must still reach the other
 * nodes. */
int server_prepare_cluster(struct server *server, const struct conf *conf,
			   struct report *report);
void server_use_cluster(struct server *server, const struct conf *conf,
			struct report *report);
void server_leave_cluster(struct server *server);

/* Drains all services, then calls events->stopped. */
void server_stop(struct server *server);

/* Closes the listeners that are still open, for an exit that does not wait for
 * clients: otherwise their UNIX paths would remain. */
void server_abandon(struct server *server);

/* The number of clients that the open services have refused because of the
 * memory ceiling. */
uint64_t server_memory_refused(const struct server *server);

/* The service after `at` (NULL: the first): first the open services, then the
 * draining ones. Internal services are left out. NULL: no more. */
struct service *server_next_service(struct server *server, struct service *at);

/* Whether every service has ended. */
bool server_is_empty(const struct server *server);

/* Logs the counters of each service and of the bus. */
void server_log_counters(struct server *server);

/* Moves a service to one of the server's lists; NULL: removes it from its list.
 */
void server_move(struct server *server, struct service *service,
		 struct list *list);
/* Drains a service, whether it is in a list or not, and frees it when it has
 * ended. */
void server_begin_drain(struct server *server, struct service *service,
			uint32_t timeout_ms);
