/* SPDX-License-Identifier: MIT */
/*
 * The life of a service on the main thread: making its instances, listening,
 * reload and drain, with the calls that go to the instances and the news that
 * comes back. Who is let in is in service_accept.c, what has been counted in
 * service_counters.c.
 */
#include "config.h"

#include "serve/service.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "net/admission.h"
#include "net/fd_store.h"
#include "log/report.h"
#include "serve/server.h"
#include "serve/service_accept.h"

/*
 * What passes between an instance and its service again and again, made
 * beforehand: news of those who left must not depend on there being memory,
 * nor a drain on a worker that answers.
 */
struct service_end {
	struct service *service;
	struct lined_service *instance;
	struct worker_call departures, drain, emptied, finish, ended;
	atomic_uint departed; /* clients; `departures` is on its way above 0 */
	uint32_t drain_ms;
};

struct lined_service *service_instance_on(const struct service *service,
					  const struct worker *worker)
{
	/* The single instance of an internal one is on a worker of whatever
	 * number. */
	size_t at = service->instance_count == 1 ? 0 : worker->index;
	struct lined_service *instance = service->instances[at];

	return instance->worker == worker ? instance : NULL;
}

struct service *service_of(const struct lined_service *instance)
{
	const struct service_end *end = instance->owner;

	return end->service;
}

/* ---- news from the instances ------------------------------------------ */

static void run_departures(struct worker_call *call)
{
	struct service_end *end =
		lined_container_of(call, struct service_end, departures);
	unsigned gone = atomic_exchange(&end->departed, 0);

	end->instance->worker->load -= gone;
	if (!end->service->conf->internal)
		server_clients_left(end->service->server, gone);
	admission_collect(end->service->admission);
}

static void check_ended(struct service *service)
{
	if (service->running == 0 && service->holds == 0)
		server_service_ended(service->server, service);
}

static void instance_ended(struct service *service)
{
	service->running--;
	check_ended(service);
}

void service_hold(struct service *service)
{
	service->holds++;
}

void service_release(struct service *service)
{
	service->holds--;
	check_ended(service);
}

static void run_finish(struct worker_call *call)
{
	instance_finish(
		lined_container_of(call, struct service_end, finish)->instance);
}

/*
 * What protocols open themselves may live on one worker and serve the clients
 * of all, so it is to end after the last client of any. What that one had
 * published comes to each worker before this does.
 */
static void run_emptied(struct worker_call *call)
{
	struct service *service =
		lined_container_of(call, struct service_end, emptied)->service;
	size_t i;

	if (--service->occupied > 0)
		return;
	for (i = 0; i < service->instance_count; i++)
		worker_post(service->instances[i]->worker,
			    &service->ends[i].finish);
}

static void run_ended(struct worker_call *call)
{
	instance_ended(
		lined_container_of(call, struct service_end, ended)->service);
}

static void on_client_gone(struct lined_service *instance,
			   struct admission_entry *entry)
{
	struct service_end *end = instance->owner;

	if (!instance->worker->threaded) {
		service_client_left(end->service, instance->worker, entry);
		return;
	}
	admission_depart(end->service->admission, entry);
	if (atomic_fetch_add(&end->departed, 1) == 0)
		worker_answer(instance->worker, instance->main,
			      &end->departures);
}

static void on_emptied(struct lined_service *instance)
{
	struct service_end *end = instance->owner;

	worker_answer(instance->worker, instance->main, &end->emptied);
}

static void on_ended(struct lined_service *instance)
{
	struct service_end *end = instance->owner;

	worker_answer(instance->worker, instance->main, &end->ended);
}

/*
 * Datagram sockets live on one worker, and the rules they go by do not change
 * under it: a reload waits for the workers. Their table is their own, no
 * other thread uses it.
 */
static bool on_datagram(struct lined_service *instance,
			const struct sockaddr *from)
{
	const struct service_end *end = instance->owner;
	uint64_t now_ms = lined_dispatcher_now_ms(instance->worker->dispatcher);

	if (!access_rules_allow(&instance->conf->access, from)) {
		lined_service_count(instance, "datagrams_denied", 1);
		return false;
	}
	return admission_datagram(end->service->datagram_admission, from,
				  now_ms) == ADMISSION_OK;
}

static const struct instance_owner_ops owner_ops = {
	.client_gone = on_client_gone,
	.emptied = on_emptied,
	.ended = on_ended,
	.admit = on_datagram,
};

static struct admission_limits limits_of(const struct conf_service *conf)
{
	return (struct admission_limits){
		.clients = conf->clients,
		.clients_per_address = conf->clients_per_address,
		.connect_rate_per_address = conf->connect_rate_per_address,
		.datagram_rate = conf->limits.line_rate,
		.datagram_burst = conf->limits.line_burst,
	};
}

/* ---- calls to the instances ------------------------------------------- */

struct instance_call {
	struct worker_call call;
	struct lined_service *instance;
	const struct conf_service *conf;
	const char *listen;
	struct report *report;
	int result;
};

static void run_start(struct worker_call *call)
{
	struct instance_call *start =
		lined_container_of(call, struct instance_call, call);

	start->instance->report = start->report;
	start->result = instance_start(start->instance);
	start->instance->report = NULL;
}

static void run_reload(struct worker_call *call)
{
	struct instance_call *reload =
		lined_container_of(call, struct instance_call, call);

	reload->instance->report = reload->report;
	instance_reload(reload->instance, reload->conf);
	reload->instance->report = NULL;
	if (reload->instance->primary) {
		const struct service_end *end = reload->instance->owner;
		struct admission_limits limits = limits_of(reload->conf);

		admission_set_limits(end->service->datagram_admission, &limits);
	}
}

static void run_drain(struct worker_call *call)
{
	struct service_end *end =
		lined_container_of(call, struct service_end, drain);

	instance_drain(end->instance, end->drain_ms);
}

static void run_close_datagrams(struct worker_call *call)
{
	struct instance_call *close_call =
		lined_container_of(call, struct instance_call, call);

	instance_close_datagrams(close_call->instance, close_call->listen);
}

static void report_waiting(void *arg)
{
	struct server *server = arg;

	server->events->waiting(server);
}

/* Runs it for each instance and waits. -1: one of them said so. */
static int call_all(struct service *service, struct instance_call *call)
{
	size_t i;

	for (i = 0; i < service->instance_count; i++) {
		call->instance = service->instances[i];
		call->result = 0;
		worker_post_wait(call->instance->worker, &call->call,
				 report_waiting, service->server);
		if (call->result < 0)
			return -1;
	}
	return 0;
}

/* ---- life ------------------------------------------------------------- */

size_t service_primary(const char *name, size_t workers)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return hash % workers;
}

/* The workers that serve it, *count of them. */
static struct worker *workers_of(const struct service *service, size_t *count)
{
	const struct server *server = service->server;

	*count = service->conf->internal ? 1 : server->worker_count;
	return service->conf->internal ? server->own_worker : server->workers;
}

static int make_registry(struct service *service)
{
	size_t count;
	struct worker *workers = workers_of(service, &count);

	service->registry = registry_new(workers, count,
					 service_primary(service->name, count));
	return service->registry != NULL ? 0 : -1;
}

static int make_instances(struct service *service)
{
	size_t count, i;
	struct worker *workers = workers_of(service, &count);

	service->instances = calloc(count, sizeof(struct lined_service *));
	service->ends = calloc(count, sizeof(*service->ends));
	if (service->instances == NULL || service->ends == NULL)
		return -1;
	for (i = 0; i < count; i++) {
		struct service_end *end = &service->ends[i];

		service->instances[i] = instance_new(
			service->conf, service->id, &workers[i],
			service->server->dispatcher, (unsigned)count,
			i == service_primary(service->name, count), &owner_ops,
			end);
		if (service->instances[i] == NULL)
			return -1;
		end->service = service;
		end->instance = service->instances[i];
		end->departures.run = run_departures;
		end->drain.run = run_drain;
		end->emptied.run = run_emptied;
		end->finish.run = run_finish;
		end->ended.run = run_ended;
		registry_join(service->registry, i, service->instances[i]);
		service->instance_count++;
	}
	return 0;
}

static struct service *make(struct server *server, struct conf *whole,
			    const struct conf_service *conf)
{
	struct admission_limits limits = limits_of(conf);
	struct service *service = calloc(1, sizeof(*service));

	if (service == NULL)
		return NULL;
	list_init(&service->link);
	list_init(&service->listeners);
	service->server = server;
	service->id = ++server->last_service_id;
	service->conf = conf;
	service->whole = conf_ref(whole);
	service->name = strdup(conf->name);
	service->admission = admission_new(&limits);
	service->datagram_admission = admission_new(&limits);
	if (service->name != NULL && service->admission != NULL &&
	    service->datagram_admission != NULL &&
	    make_registry(service) == 0 && make_instances(service) == 0)
		return service;
	service_free(service);
	errno = ENOMEM;
	return NULL;
}

struct service *service_new(struct server *server, struct conf *whole,
			    const struct conf_service *conf,
			    struct report *report)
{
	struct instance_call start = {.call.run = run_start, .report = report};
	struct service *service = make(server, whole, conf);

	if (service == NULL) {
		report_add(report, LINED_LOG_ERR, "service %s: %s", conf->name,
			   strerror(errno));
		return NULL;
	}
	service->running = service->instance_count;
	if (call_all(service, &start) == 0)
		return service;
	report_add(report, LINED_LOG_ERR,
		   "service %s: protocol %s could not start", conf->name,
		   conf->protocol);
	server_retire(server, service);
	return NULL;
}

int service_listen(struct service *service, struct listener *listener)
{
	struct client_arrival arrival = {.datagram = true};
	size_t i;

	listener->service = service;
	list_append(&service->listeners, &listener->link);
	fd_store_add(listener);
	if (listener_start(listener, service->server->dispatcher,
			   &service_accept_handlers, listener) < 0)
		return -1;
	for (i = 0; i < listener->count; i++) {
		if (!listener->sockets[i].datagram)
			continue;
		arrival.fd = listener_take_fd(listener, i);
		if (arrival.fd < 0)
			return -1;
		arrival.id = ++service->server->last_client_id;
		arrival.listen = listener->text;
		service_place(
			service,
			service_primary(service->name, service->instance_count),
			&arrival);
	}
	return 0;
}

struct listener *service_find_listener(struct service *service,
				       const struct listen_address *address)
{
	struct listener *listener;

	list_for_each(listener, &service->listeners, link)
		if (listener->open &&
		    listen_address_equal(&listener->address, address))
			return listener;
	return NULL;
}

void service_unlisten(struct service *service, struct listener *listener,
		      bool keep_path)
{
	struct instance_call call = {.call.run = run_close_datagrams,
				     .listen = listener->text};

	if (listener->open && listener_has_datagrams(listener))
		call_all(service, &call);
	if (!keep_path)
		service_accept_last(listener);
	listener_close(listener, keep_path);
}

void service_reload(struct service *service, struct conf *whole,
		    const struct conf_service *conf, struct report *report)
{
	struct instance_call call = {
		.call.run = run_reload, .conf = conf, .report = report};
	struct admission_limits limits = limits_of(conf);
	struct conf *before = service->whole;

	service->conf = conf;
	service->whole = conf_ref(whole);
	admission_set_limits(service->admission, &limits);
	call_all(service, &call);
	conf_unref(before);
}

void service_close_listeners(struct service *service)
{
	struct listener *listener;

	list_for_each(listener, &service->listeners, link)
		listener_close(listener, service->server->stopping &&
						 listener_is_stored(listener));
}

void service_drain(struct service *service, uint32_t timeout_ms)
{
	size_t i;

	if (service->draining)
		return;
	service->draining = true;
	service->occupied = service->instance_count;
	service_close_listeners(service);
	for (i = 0; i < service->instance_count; i++) {
		struct service_end *end = &service->ends[i];

		end->drain_ms = timeout_ms;
		worker_post(end->instance->worker, &end->drain);
	}
}

void service_free(struct service *service)
{
	struct listener *listener, *next;
	size_t i;

	list_for_each_safe(listener, next, &service->listeners, link) {
		list_remove(&listener->link);
		listener_free(listener);
	}
	for (i = 0; i < service->instance_count; i++)
		instance_free(service->instances[i]);
	free(service->instances);
	free(service->ends);
	registry_unref(service->registry);
	admission_free(service->admission);
	admission_free(service->datagram_admission);
	conf_unref(service->whole);
	free(service->name);
	free(service);
}
