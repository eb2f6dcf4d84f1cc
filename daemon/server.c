/* SPDX-License-Identifier: MIT */
/*
 * The server: applying a config as a transaction, and stopping. What a service
 * does by itself is in service.c.
 */
#include "config.h"

#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "cache_line.h"
#include "control.h"
#include "leavers.h"
#include "log.h"
#include "memory.h"
#include "service.h"

/* ---- generations ------------------------------------------------------ */

static struct generation *generation_new(struct conf *conf)
{
	struct generation *generation = malloc(sizeof(*generation));

	if (generation == NULL)
		return NULL;
	generation->conf = conf;
	generation->refs = 1;
	return generation;
}

struct generation *generation_ref(struct generation *generation)
{
	generation->refs++;
	return generation;
}

void generation_unref(struct generation *generation)
{
	if (generation == NULL || --generation->refs > 0)
		return;
	conf_free(generation->conf);
	free(generation);
}

/* ---- a crowd ---------------------------------------------------------- */

/* What is worth giving memory back for, and how long after it has gone. */
#define CROWD   1024
#define TRIM_MS 500

static void trim_fired(struct lined_timer *timer)
{
	struct server *server = lined_container_of(timer, struct server, trim);

	server->most_clients = server->clients;
	memory_trim();
}

void server_client_came(struct server *server)
{
	if (++server->clients > server->most_clients)
		server->most_clients = server->clients;
}

void server_clients_left(struct server *server, size_t count)
{
	server->clients -= count;
	if (server->most_clients >= CROWD &&
	    server->clients < server->most_clients / 4 &&
	    !lined_timer_is_armed(&server->trim))
		lined_timer_start(&server->trim, TRIM_MS, 0);
}

/* ---- life ------------------------------------------------------------- */

/* Its bus is its own: nobody else is on it, and what the workers publish does
 * not come by here. */
static int make_main_worker(struct server *server)
{
	struct worker *worker = &server->main_worker;

	if (worker_start(worker, 0, false, server->dispatcher) < 0)
		return -1;
	server->own_worker = worker;
	server->main_bus = bus_new(worker, 1);
	return server->main_bus != NULL ? 0 : -1;
}

int server_init(struct server *server, struct lined_dispatcher *dispatcher,
		size_t workers, const struct inherited *inherited,
		void (*stopped)(struct server *server))
{
	size_t i;

	memset(server, 0, sizeof(*server));
	server->dispatcher = dispatcher;
	server->inherited = inherited;
	server->stopped = stopped;
	list_init(&server->services);
	list_init(&server->draining);
	pthread_mutex_init(&server->lists, NULL);
	lined_timer_init(&server->trim, dispatcher, trim_fired);
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
	if (server->bus == NULL || growth_start(&server->growth, server) < 0)
		return -1;
	server->own_worker = &server->workers[0];
	if (workers > 1) {
		if (make_main_worker(server) < 0)
			return -1;
		lined_dispatcher_open_mailbox(dispatcher);
	}
	return heartbeat_start(&server->heartbeat, server);
}

void server_fini(struct server *server)
{
	size_t i;

	lined_timer_stop(&server->trim);
	growth_stop(&server->growth);
	heartbeat_stop(&server->heartbeat);
	for (i = 0; i < server->worker_count; i++)
		worker_stop(&server->workers[i]);
	for (i = 0; i < server->worker_count; i++)
		worker_fini(&server->workers[i]);
	bus_free(server->bus);
	bus_free(server->main_bus);
	lined_dispatcher_close_mailbox(server->dispatcher);
	generation_unref(server->generation);
	pthread_mutex_destroy(&server->lists);
	free(server->workers);
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

/* ---- a plan ----------------------------------------------------------- */

/* What becomes of one service of the new config. */
struct plan {
	const struct conf_service *conf;
	struct service *service; /* kept or, when fresh, made for the plan */
	bool fresh;
	struct listener **opened; /* by place in conf->listen; NULL: kept */
};

static struct service *find_service(struct server *server,
				    const struct conf_service *conf)
{
	struct service *service;

	list_for_each(service, &server->services, link)
		if (strcmp(service->name, conf->name) == 0 &&
		    service->conf->internal == conf->internal)
			return service;
	return NULL;
}

static struct listener *find_listener(struct server *server,
				      const struct listen_address *address)
{
	struct service *service;

	list_for_each(service, &server->services, link) {
		struct listener *listener =
			service_find_listener(service, address);

		if (listener != NULL)
			return listener;
	}
	return NULL;
}

/* How many services a config has, the internal ones among them. */
static size_t count_services(const struct conf *conf)
{
	return conf->service_count + conf->internal_count;
}

static const struct conf_service *service_at(const struct conf *conf, size_t i)
{
	return i < conf->service_count
		       ? &conf->services[i]
		       : &conf->internal[i - conf->service_count];
}

static bool is_wanted(const struct conf_service *conf,
		      const struct listen_address *address)
{
	size_t i;

	for (i = 0; i < conf->listen_count; i++)
		if (listen_address_equal(&conf->listen[i], address))
			return true;
	return false;
}

static bool is_wanted_by_any(const struct conf *conf,
			     const struct listen_address *address)
{
	size_t i;

	for (i = 0; i < count_services(conf); i++)
		if (is_wanted(service_at(conf, i), address))
			return true;
	return false;
}

/* What this config closes, and is then closed: systemd keeps what it opened
 * itself. -1: no memory. */
static int find_leavers(struct server *server, const struct conf *conf,
			struct leavers *leavers)
{
	struct service *service;
	struct listener *listener;
	size_t i;

	list_for_each(service, &server->services, link) {
		list_for_each(listener, &service->listeners, link) {
			if (!listener->open || listener->address.name != NULL ||
			    is_wanted_by_any(conf, &listener->address))
				continue;
			for (i = 0; i < listener->count; i++)
				if (leavers_add(leavers,
						listener->sockets[i].fd) < 0)
					return -1;
		}
	}
	return 0;
}

static struct listener_mode mode_of(const struct conf_service *conf)
{
	return (struct listener_mode){
		.mode = conf->socket_mode,
		.owner = conf->socket_owner,
		.group = conf->socket_group,
	};
}

static bool is_served(const struct listen_address *address)
{
	return !listen_address_is_tls(address);
}

/* The kinds of inherited sockets are not known before. NULL: it may be. */
static const char *unfit(const struct listener *listener,
			 const struct conf_service *conf)
{
	uint32_t transports = conf->module->transports != 0
				      ? conf->module->transports
				      : LINED_TRANSPORT_STREAM;

	if (listener_has_datagrams(listener) &&
	    (transports & LINED_TRANSPORT_DATAGRAM) == 0)
		return "the protocol does not speak over datagrams";
	if (listener_has_streams(listener) &&
	    (transports & LINED_TRANSPORT_STREAM) == 0)
		return "the protocol speaks over datagrams only";
	return NULL;
}

/* NULL and why, in error. */
static struct listener *
open_listener(struct server *server, const struct conf_service *conf,
	      const struct listen_address *address, struct listener *other,
	      const struct leavers *leavers, char *error, size_t size)
{
	struct listener_mode mode = mode_of(conf);
	struct listener *listener;
	const char *why;

	listener = other != NULL
			   ? listener_dup(other, error, size)
			   : listener_open(address, &mode, server->inherited,
					   leavers, error, size);
	why = listener != NULL ? unfit(listener, conf) : NULL;
	if (why == NULL)
		return listener;
	snprintf(error, size, "%s", why);
	listener_close(listener, other != NULL);
	listener_free(listener);
	return NULL;
}

/* Opens what the plan needs and nobody of this service has open; names all
 * that cannot be opened. */
static int open_listeners(struct server *server, struct plan *plan,
			  const struct leavers *leavers)
{
	const struct conf_service *conf = plan->conf;
	struct listener_mode mode = mode_of(conf);
	char error[256];
	size_t i;
	int result = 0;

	plan->opened = calloc(conf->listen_count + 1, sizeof(*plan->opened));
	if (plan->opened == NULL) {
		log_err("service %s: %s", conf->name, strerror(ENOMEM));
		return -1;
	}
	for (i = 0; i < conf->listen_count; i++) {
		const struct listen_address *address = &conf->listen[i];
		struct listener *other = find_listener(server, address);

		bool kept = other != NULL && other->service == plan->service;
		bool good = true;

		if (!is_served(address))
			continue;
		if (address->path != NULL)
			good = listener_mode_check(&mode, error,
						   sizeof(error)) == 0;
		if (good && !kept) {
			plan->opened[i] =
				open_listener(server, conf, address, other,
					      leavers, error, sizeof(error));
			good = plan->opened[i] != NULL;
		}
		if (!good) {
			log_each(LINED_LOG_ERR, "service %s: listen %s: %s",
				 conf->name, address->text, error);
			result = -1;
		}
	}
	return result;
}

static int prepare(struct server *server, struct plan *plan,
		   const struct conf_service *conf,
		   const struct leavers *leavers)
{
	struct service *service = find_service(server, conf);

	plan->conf = conf;
	/* The protocol's table is the same as long as its module is. */
	if (service != NULL && service->conf->module == conf->module)
		plan->service = service;
	return open_listeners(server, plan, leavers);
}

static int make_service(struct server *server, struct generation *generation,
			struct plan *plan)
{
	if (plan->service != NULL)
		return 0;
	plan->service = service_new(server, generation, plan->conf);
	plan->fresh = plan->service != NULL;
	return plan->fresh ? 0 : -1;
}

/* Every address that cannot be had is told of before any service is made. */
static int prepare_all(struct server *server, struct generation *generation,
		       struct plan *plans, size_t count)
{
	struct leavers leavers;
	size_t i;
	int result;

	leavers_init(&leavers);
	result = find_leavers(server, generation->conf, &leavers);
	if (result < 0)
		log_err("config: %s", strerror(errno));
	for (i = 0; i < count; i++)
		if (prepare(server, &plans[i], service_at(generation->conf, i),
			    &leavers) < 0)
			result = -1;
	leavers_fini(&leavers);
	for (i = 0; result == 0 && i < count; i++)
		result = make_service(server, generation, &plans[i]);
	return result;
}

static void undo(struct server *server, struct plan *plans, size_t count)
{
	size_t i, k;

	for (i = 0; i < count; i++) {
		for (k = 0;
		     plans[i].opened != NULL && k < plans[i].conf->listen_count;
		     k++) {
			struct listener *listener = plans[i].opened[k];
			bool shared;

			if (listener == NULL)
				continue;
			shared = find_listener(server, &listener->address) !=
				 NULL;
			listener_close(listener, shared);
			listener_free(listener);
		}
		if (plans[i].fresh)
			server_retire(server, plans[i].service);
	}
}

/* ---- draining --------------------------------------------------------- */

/* To one of the server's lists; NULL: to none. */
static void move(struct server *server, struct service *service,
		 struct list *list)
{
	pthread_mutex_lock(&server->lists);
	list_remove(&service->link);
	if (list != NULL)
		list_append(list, &service->link);
	pthread_mutex_unlock(&server->lists);
}

static void begin_drain(struct server *server, struct service *service,
			uint32_t timeout_ms)
{
	move(server, service, &server->draining);
	control_service_drains(server->control, service);
	service_drain(service, timeout_ms);
}

static uint32_t drain_timeout_ms(const struct server *server)
{
	return server->generation != NULL
		       ? server->generation->conf->drain_timeout_ms
		       : 0;
}

void server_drain(struct server *server, struct service *service)
{
	log_notice("service %s: draining", service->name);
	begin_drain(server, service, drain_timeout_ms(server));
}

/* ---- carrying it out -------------------------------------------------- */

/* Whether another service of the plan has taken the address over. */
static bool is_taken_over(const struct plan *plans, size_t count,
			  const struct listen_address *address)
{
	size_t i, k;

	for (i = 0; i < count; i++)
		for (k = 0; k < plans[i].conf->listen_count; k++)
			if (plans[i].opened[k] != NULL &&
			    listen_address_equal(&plans[i].conf->listen[k],
						 address))
				return true;
	return false;
}

static void close_unwanted(struct service *service,
			   const struct conf_service *conf,
			   const struct plan *plans, size_t count)
{
	struct listener *listener, *next;

	list_for_each_safe(listener, next, &service->listeners, link) {
		bool taken = is_taken_over(plans, count, &listener->address);

		if (!listener->open || (conf != NULL && !taken &&
					is_wanted(conf, &listener->address)))
			continue;
		service_unlisten(service, listener, taken);
		if (!taken)
			log_notice("service %s: stopped listening on %s",
				   service->name, listener->text);
	}
}

static void apply_modes(struct service *service,
			const struct conf_service *conf)
{
	struct listener_mode mode = mode_of(conf);
	struct listener *listener;
	char error[256];

	mode.again = true;
	list_for_each(listener, &service->listeners, link)
		if (listener->open && listener_set_mode(listener, &mode, error,
							sizeof(error)) < 0)
			log_warning("service %s: listen %s: %s", service->name,
				    listener->text, error);
}

static void begin_listening(struct plan *plan)
{
	size_t i;

	for (i = 0; i < plan->conf->listen_count; i++) {
		if (plan->opened[i] == NULL)
			continue;
		if (service_listen(plan->service, plan->opened[i]) < 0)
			log_err("service %s: listen %s: %s",
				plan->service->name, plan->opened[i]->text,
				strerror(errno));
		else
			log_notice("service %s: listening on %s",
				   plan->service->name, plan->opened[i]->text);
	}
}

static bool is_kept(const struct plan *plans, size_t count,
		    const struct service *service)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (plans[i].service == service)
			return true;
	return false;
}

static void commit(struct server *server, struct generation *generation,
		   struct plan *plans, size_t count)
{
	uint32_t drain_ms = generation->conf->drain_timeout_ms;
	struct service *service, *next;
	size_t i;

	list_for_each_safe(service, next, &server->services, link) {
		if (is_kept(plans, count, service))
			continue;
		close_unwanted(service, NULL, plans, count);
		log_notice("service %s: removed", service->name);
		begin_drain(server, service, drain_ms);
	}
	for (i = 0; i < count; i++) {
		struct plan *plan = &plans[i];

		plan->service->begun = true;
		if (plan->fresh) {
			move(server, plan->service, &server->services);
		} else {
			close_unwanted(plan->service, plan->conf, plans, count);
			service_reload(plan->service, generation, plan->conf);
		}
	}
	for (i = 0; i < count; i++) {
		begin_listening(&plans[i]);
		apply_modes(plans[i].service, plans[i].conf);
	}
}

int server_apply(struct server *server, struct conf *conf)
{
	struct generation *generation = generation_new(conf);
	size_t count = count_services(conf), i;
	struct plan *plans = calloc(count + 1, sizeof(*plans));
	int result;

	if (generation == NULL || plans == NULL) {
		log_err("config: %s", strerror(ENOMEM));
		if (generation == NULL)
			conf_free(conf);
		generation_unref(generation);
		free(plans);
		return -1;
	}
	result = prepare_all(server, generation, plans, count);
	if (result == 0) {
		commit(server, generation, plans, count);
		generation_unref(server->generation);
		server->generation = generation;
	} else {
		undo(server, plans, count);
	}
	for (i = 0; i < count; i++)
		free(plans[i].opened);
	free(plans);
	if (result < 0)
		generation_unref(generation);
	return result;
}

/* ---- ending ----------------------------------------------------------- */

void server_retire(struct server *server, struct service *service)
{
	begin_drain(server, service, 0);
}

/* All that are open, either the operator's or the internal ones. */
static void drain_all(struct server *server, bool internal)
{
	struct service *service, *next;

	list_for_each_safe(service, next, &server->services, link)
		if (service->conf->internal == internal)
			begin_drain(server, service, drain_timeout_ms(server));
}

/* A stop can be watched until all that it is about have ended. */
static void check_stopped(struct server *server)
{
	if (!server->stopping || !list_is_empty(&server->draining))
		return;
	if (!server->internal_stopping) {
		server->internal_stopping = true;
		drain_all(server, true);
	}
	if (server_is_empty(server))
		server->stopped(server);
}

void server_service_ended(struct server *server, struct service *service)
{
	move(server, service, NULL);
	if (service->begun && !service->conf->internal)
		service_log_counters(service);
	if (service->begun)
		log_notice("service %s: stopped", service->name);
	control_service_ended(server->control, service);
	service_free(service);
	check_stopped(server);
}

void server_stop(struct server *server)
{
	server->stopping = true;
	drain_all(server, false);
	check_stopped(server);
}

void server_abandon(struct server *server)
{
	struct service *service;

	list_for_each(service, &server->services, link)
		service_close_listeners(service);
}
