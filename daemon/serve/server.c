/* SPDX-License-Identifier: MIT */
/*
 * The server's life: starts workers, drains services, stops. reload_apply.c
 * applies a config; service.c is about a single service.
 */
#include "config.h"

#include "serve/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache_line.h"
#include "counter.h"
#include "dispatcher_watch.h"
#include "log/error_report.h"
#include "log/log.h"
#include "serve/client_log.h"
#include "serve/service.h"
#include "threads/bus.h"
#include "threads/bus_batch.h"

#define SLOW_TURN_US 100000

/* ---- draining --------------------------------------------------------- */

void server_move(struct server *server, struct service *service,
		 struct list *list)
{
	pthread_mutex_lock(&server->lists);
	list_remove(&service->link);
	if (list != NULL)
		list_append(list, &service->link);
	pthread_mutex_unlock(&server->lists);
}

void server_begin_drain(struct server *server, struct service *service,
			uint32_t timeout_ms)
{
	server_move(server, service, &server->draining);
	server->events->drains(server, service);
	service_drain(service, timeout_ms, server->stopping);
}

static uint32_t server_drain_timeout_ms(const struct server *server)
{
	return server->conf != NULL ? server->conf->drain_timeout_ms : 0;
}

void server_drain(struct server *server, struct service *service)
{
	log_each(LINED_LOG_NOTICE, "service %s: draining", service->name);
	server_begin_drain(server, service, server_drain_timeout_ms(server));
}

/* ---- stopping --------------------------------------------------------- */

/* Time for the last answers when the time to stop is over. */
#define LAST_MS 100

/* Drains all open internal services, or all others, within the time to stop. */
static void server_drain_all(struct server *server, bool internal)
{
	uint64_t now_ms = lined_dispatcher_now_ms(server->dispatcher);
	uint32_t left_ms = LAST_MS;
	struct service *service, *next;

	if (server->stop_end_ms > now_ms + LAST_MS)
		left_ms = (uint32_t)(server->stop_end_ms - now_ms);

	list_for_each_safe(service, next, &server->services, link)
		if (service->conf->internal == internal)
			server_begin_drain(server, service, left_ms);
}

/* Logs slow turns: while a handler blocks, the worker serves no other client.
 * linetest looks for this text. */
static void server_log_slow_turns(const struct server *server)
{
	size_t i;
	unsigned j;

	for (i = 0; i < server->worker_count; i++) {
		const struct turn_stats *turns =
			dispatcher_turns(server->workers[i].dispatcher);
		uint64_t slow = 0;

		for (j = 0; j <= TURN_STATS_BOUNDS; j++)
			if (j == TURN_STATS_BOUNDS ||
			    turn_stats_bounds_us[j] > SLOW_TURN_US)
				slow += counter_read(&turns->lasted[j]);
		if (slow > 0)
			log_notice("worker %zu: %llu turns took longer than "
				   "100 ms",
				   i, (unsigned long long)slow);
	}
}

/* Drains the internal services last, so that control can show how the others
 * drain. */
static void server_check_stopped(struct server *server)
{
	if (!server->stopping || !list_is_empty(&server->draining))
		return;
	if (!server->internal_stopping) {
		server->internal_stopping = true;
		server_drain_all(server, true);
	}
	if (!server_is_empty(server))
		return;
	server_log_slow_turns(server);
	server->events->stopped(server);
}

static void server_service_ended(struct service *service)
{
	struct server *server =
		lined_container_of(service->env, struct server, env);

	server_move(server, service, NULL);
	if (service->begun && !service->conf->internal)
		service_log_counters(service);
	if (service->begun)
		log_each(LINED_LOG_NOTICE, "service %s: stopped",
			 service->name);
	server->events->ended(server, service);
	service_free(service);
	server_leave_cluster(server);
	server_check_stopped(server);
}

void server_stop(struct server *server)
{
	server->stopping = true;
	server->stop_end_ms = lined_dispatcher_now_ms(server->dispatcher) +
			      server_drain_timeout_ms(server);
	if (server->env.cluster != NULL)
		cluster_retire(server->env.cluster);
	server_drain_all(server, false);
	server_check_stopped(server);
}

void server_abandon(struct server *server)
{
	struct service *service;

	list_for_each(service, &server->services, link)
		service_close_listeners(service, server->stopping);
}

/* ---- the cluster -------------------------------------------------------- */

static void server_cluster_changed(struct cluster *cluster, void *arg)
{
	struct server *server = arg;
	struct service *service;

	/* Draining services come first: a draining service must stop being
	 * primary before the new service of its name becomes primary. */
	list_for_each(service, &server->draining, link)
		if (service->cluster != NULL)
			service_tell_cluster(service);
	list_for_each(service, &server->services, link)
		if (service->cluster != NULL)
			service_tell_cluster(service);
}

int server_prepare_cluster(struct server *server, const struct conf *conf,
			   struct report *report)
{
	if (!conf->cluster.is_set || server->env.cluster != NULL)
		return 0;
	server->cluster_events = (struct cluster_events){
		.changed = server_cluster_changed, .arg = server};
	server->env.cluster = cluster_new(server->dispatcher, server->workers,
					  server->worker_count, &broker_nats,
					  &server->cluster_events);
	if (server->env.cluster != NULL)
		return 0;
	report_add(report, LINED_LOG_ERR, "cluster: %s", strerror(ENOMEM));
	return -1;
}

void server_leave_cluster(struct server *server)
{
	const struct service *service;

	if (!server->cluster_leaving)
		return;
	list_for_each(service, &server->draining, link)
		if (service->cluster != NULL)
			return;
	server->cluster_leaving = false;
	cluster_open(server->env.cluster, NULL, 0);
	conf_unref(server->cluster_conf);
	server->cluster_conf = NULL;
}

void server_use_cluster(struct server *server, const struct conf *conf,
			struct report *report)
{
	const struct conf_cluster *now = &conf->cluster;
	struct cluster *cluster = server->env.cluster;

	if (cluster == NULL ||
	    (server->conf != NULL &&
	     conf_cluster_equal(&server->conf->cluster, now)))
		return;
	server->cluster_leaving = !now->is_set;
	if (server->cluster_leaving) {
		cluster_retire(cluster);
		return;
	}
	if (cluster_open(cluster, &now->broker, now->lease_ms) < 0)
		report_add(report, LINED_LOG_ERR, "cluster: %s",
			   strerror(errno));
	/* The cluster borrows its settings from this config. */
	conf_unref(server->cluster_conf);
	server->cluster_conf = conf_ref((struct conf *)(uintptr_t)conf);
}

/* ---- life ------------------------------------------------------------- */

static int server_make_main_worker(struct server *server)
{
	struct worker *worker = &server->main_worker;

	if (worker_start(worker, 0, false, server->dispatcher) < 0)
		return -1;
	server->env.main_worker = worker;
	server->main_bus = bus_new(worker, 1);
	return server->main_bus != NULL ? 0 : -1;
}

/* Clients of internal services are spared: control must answer while memory is
 * full. */
static enum memory_closing server_may_close(const struct lined_socket *sock)
{
	const struct lined_socket_group *group =
		lined_socket_group((struct lined_socket *)(uintptr_t)sock);

	if (group->leaving == client_leaving &&
	    !lined_container_of(group, const struct lined_service, group)
		     ->conf->internal)
		return MEMORY_CLOSE;
	/* A connection that a protocol has opened is closed if it has queued
	 * output. Its input alone is no reason. */
	if (group->tap == client_opened_tap && lined_socket_queued(sock) > 0)
		return MEMORY_CLOSE_AND_WAIT;
	return MEMORY_SPARE;
}

/* The ceiling covers all workers and the main thread, which reads PROXY
 * headers. */
static int server_init_memory(struct server *server)
{
	struct lined_dispatcher **dispatchers =
		calloc(server->worker_count + 1, sizeof(*dispatchers));
	size_t count = 0;

	if (dispatchers == NULL)
		return -1;
	for (; count < server->worker_count; count++)
		dispatchers[count] = server->workers[count].dispatcher;
	if (server->worker_count > 1)
		dispatchers[count++] = server->dispatcher;
	server->memory.may_close = server_may_close;
	memory_init(&server->memory, dispatchers, count);
	return 0;
}

uint64_t server_memory_refused(const struct server *server)
{
	const struct service *service;
	uint64_t refused = 0;

	list_for_each(service, &server->services, link)
		refused += service_refused(service, ADMISSION_MEMORY);
	return refused;
}

/* Passes a section's new certificates to the services that use the section. */
static void server_tls_changed(struct server_tls *tls,
			       const struct tls_section *section)
{
	struct server *server = lined_container_of(tls, struct server, tls);
	struct service *service;
	size_t i;

	list_for_each(service, &server->services, link)
		for (i = 0; i < service->conf->tls_count; i++)
			if (strcmp(service->conf->tls[i]->name,
				   section->conf->name) == 0) {
				service_use_tls(service);
				break;
			}
}

int server_init(struct server *server, struct lined_dispatcher *dispatcher,
		size_t workers, const struct inherited *inherited,
		const struct server_events *events)
{
	size_t i;

	memset(server, 0, sizeof(*server));
	server->dispatcher = dispatcher;
	server->inherited = inherited;
	server->events = events;
	list_init(&server->services);
	list_init(&server->draining);
	pthread_mutex_init(&server->lists, NULL);
	server->workers = cache_line_calloc(workers * sizeof(*server->workers));
	if (server->workers == NULL)
		return -1;
	for (i = 0; i < workers; i++) {
		if (worker_start(&server->workers[i], (unsigned)i, workers > 1,
				 dispatcher) < 0)
			return -1;
		server->worker_count++;
	}
	server->bus = bus_new(server->workers, workers);
	if (server->bus == NULL || server_init_memory(server) < 0)
		return -1;
	server->env = (struct service_env){
		.dispatcher = dispatcher,
		.workers = server->workers,
		.worker_count = workers,
		.main_worker = &server->workers[0],
		.ended = server_service_ended,
		.memory = &server->memory,
		.tls = &server->tls,
	};
	if (server_tls_init(&server->tls, dispatcher, server->workers, workers,
			    server_tls_changed) < 0)
		return -1;
	if (workers > 1) {
		server->bus_batches = bus_batches_new(server->workers, workers);
		if (server->bus_batches == NULL ||
		    server_make_main_worker(server) < 0)
			return -1;
		lined_dispatcher_open_mailbox(dispatcher);
	}
	return 0;
}

void server_fini(struct server *server)
{
	size_t i;

	if (server->env.cluster != NULL)
		cluster_open(server->env.cluster, NULL, 0);
	for (i = 0; i < server->worker_count; i++)
		worker_stop(&server->workers[i]);
	memory_fini(&server->memory);
	for (i = 0; i < server->worker_count; i++)
		worker_fini(&server->workers[i]);
	cluster_free(server->env.cluster);
	conf_unref(server->cluster_conf);
	server_tls_fini(&server->tls);
	listen_texts_fini(&server->listen_texts);
	bus_free(server->bus);
	bus_batches_free(server->bus_batches);
	bus_free(server->main_bus);
	lined_dispatcher_close_mailbox(server->dispatcher);
	conf_unref(server->conf);
	conf_unref(server->start_conf);
	pthread_mutex_destroy(&server->lists);
	free(server->workers);
}

struct service *server_next_service(struct server *server, struct service *at)
{
	struct list *next = at != NULL ? at->link.next : server->services.next;

	do {
		if (next == &server->services)
			next = server->draining.next;
		if (next == &server->draining)
			return NULL;
		at = list_entry(next, struct service, link);
		next = next->next;
	} while (at->conf->internal);
	return at;
}

bool server_is_empty(const struct server *server)
{
	return list_is_empty(&server->services) &&
	       list_is_empty(&server->draining);
}

void server_log_counters(struct server *server)
{
	struct service *service;

	list_for_each(service, &server->services, link)
		if (!service->conf->internal)
			service_log_counters(service);
	bus_log_counters(server->bus);
}
