/* SPDX-License-Identifier: MIT */
/*
 * Applying a config to the server as a transaction: every address is opened
 * and every new service made before anything that runs is touched; until then
 * all of it can be undone.
 */
#include "config.h"

#include "serve/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/leavers.h"
#include "log/report.h"
#include "serve/service.h"

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
			    conf_find_listening(conf, &listener->address) !=
				    NULL)
				continue;
			for (i = 0; i < listener->count; i++)
				if (leavers_add(leavers,
						listener->sockets[i].fd) < 0)
					return -1;
		}
	}
	return 0;
}

static struct unix_path_mode mode_of(const struct conf_service *conf)
{
	return (struct unix_path_mode){
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
	struct unix_path_mode mode = mode_of(conf);
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
			  const struct leavers *leavers, struct report *report)
{
	const struct conf_service *conf = plan->conf;
	struct unix_path_mode mode = mode_of(conf);
	char error[256];
	size_t i;
	int result = 0;

	plan->opened = calloc(conf->listen_count + 1, sizeof(*plan->opened));
	if (plan->opened == NULL) {
		report_add(report, LINED_LOG_ERR, "service %s: %s", conf->name,
			   strerror(ENOMEM));
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
			good = unix_path_check_mode(&mode, error,
						    sizeof(error)) == 0;
		if (good && !kept) {
			plan->opened[i] =
				open_listener(server, conf, address, other,
					      leavers, error, sizeof(error));
			good = plan->opened[i] != NULL;
		}
		if (!good) {
			report_add(report, LINED_LOG_ERR,
				   "service %s: listen %s: %s", conf->name,
				   address->text, error);
			result = -1;
		}
	}
	return result;
}

static int prepare(struct server *server, struct plan *plan,
		   const struct conf_service *conf,
		   const struct leavers *leavers, struct report *report)
{
	struct service *service = find_service(server, conf);

	plan->conf = conf;
	/* The protocol's table is the same as long as its module is. */
	if (service != NULL && service->conf->module == conf->module)
		plan->service = service;
	return open_listeners(server, plan, leavers, report);
}

static int make_service(struct server *server, struct conf *conf,
			struct plan *plan, struct report *report)
{
	if (plan->service != NULL)
		return 0;
	plan->service = service_new(&server->env, conf, plan->conf, report);
	plan->fresh = plan->service != NULL;
	return plan->fresh ? service_start(plan->service, report) : -1;
}

/* Every address that cannot be had is told of before any service is made. */
static int prepare_all(struct server *server, struct conf *conf,
		       struct plan *plans, size_t count, struct report *report)
{
	struct leavers leavers;
	size_t i;
	int result;

	leavers_init(&leavers);
	result = find_leavers(server, conf, &leavers);
	if (result < 0)
		report_add(report, LINED_LOG_ERR, "config: %s",
			   strerror(errno));
	for (i = 0; i < count; i++)
		if (prepare(server, &plans[i], conf_service_at(conf, i),
			    &leavers, report) < 0)
			result = -1;
	leavers_fini(&leavers);
	for (i = 0; result == 0 && i < count; i++)
		result = make_service(server, conf, &plans[i], report);
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
			server_begin_drain(server, plans[i].service, 0);
	}
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

		if (!listener->open ||
		    (conf != NULL && !taken &&
		     conf_service_listens(conf, &listener->address)))
			continue;
		service_unlisten(service, listener, taken);
		if (!taken)
			log_each(LINED_LOG_NOTICE,
				 "service %s: stopped listening on %s",
				 service->name, listener->text);
	}
}

static void apply_modes(struct service *service,
			const struct conf_service *conf, struct report *report)
{
	struct unix_path_mode mode = mode_of(conf);
	struct listener *listener;
	char error[256];

	mode.again = true;
	list_for_each(listener, &service->listeners, link)
		if (listener->open && listener_set_mode(listener, &mode, error,
							sizeof(error)) < 0)
			report_add(report, LINED_LOG_WARNING,
				   "service %s: listen %s: %s", service->name,
				   listener->text, error);
}

static void begin_listening(struct plan *plan, struct report *report)
{
	size_t i;

	for (i = 0; i < plan->conf->listen_count; i++) {
		if (plan->opened[i] == NULL)
			continue;
		if (service_listen(plan->service, plan->opened[i]) < 0)
			report_add(report, LINED_LOG_ERR,
				   "service %s: listen %s: %s",
				   plan->service->name, plan->opened[i]->text,
				   strerror(errno));
		else
			log_each(LINED_LOG_NOTICE,
				 "service %s: listening on %s",
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

static void commit(struct server *server, struct conf *conf, struct plan *plans,
		   size_t count, struct report *report)
{
	uint32_t drain_ms = conf->drain_timeout_ms;
	struct service *service, *next;
	size_t i;

	list_for_each_safe(service, next, &server->services, link) {
		if (is_kept(plans, count, service))
			continue;
		close_unwanted(service, NULL, plans, count);
		log_each(LINED_LOG_NOTICE, "service %s: removed",
			 service->name);
		server_begin_drain(server, service, drain_ms);
	}
	for (i = 0; i < count; i++) {
		struct plan *plan = &plans[i];

		plan->service->begun = true;
		if (plan->fresh) {
			server_move(server, plan->service, &server->services);
		} else {
			close_unwanted(plan->service, plan->conf, plans, count);
			service_reload(plan->service, conf, plan->conf, report);
		}
	}
	for (i = 0; i < count; i++) {
		begin_listening(&plans[i], report);
		apply_modes(plans[i].service, plans[i].conf, report);
	}
}

int server_apply(struct server *server, struct conf *conf,
		 struct report *report)
{
	size_t count = conf_count_all(conf), i;
	struct plan *plans = calloc(count + 1, sizeof(*plans));
	int result;

	if (plans == NULL) {
		report_add(report, LINED_LOG_ERR, "config: %s",
			   strerror(ENOMEM));
		conf_unref(conf);
		return -1;
	}
	result = prepare_all(server, conf, plans, count, report);
	if (result == 0) {
		commit(server, conf, plans, count, report);
		conf_unref(server->conf);
		server->conf = conf;
		if (server->start_conf == NULL)
			server->start_conf = conf_ref(conf);
	} else {
		undo(server, plans, count);
	}
	for (i = 0; i < count; i++)
		free(plans[i].opened);
	free(plans);
	if (result < 0)
		conf_unref(conf);
	return result;
}
