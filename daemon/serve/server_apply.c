/* SPDX-License-Identifier: MIT */
/*
 * Carries out a reload plan as a transaction: all addresses are opened and all
 * new services started before a running service is changed. If a step fails,
 * all steps are undone.
 */
#include "config.h"

#include "serve/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log/error_report.h"
#include "net/inet_socket.h"
#include "serve/reload_plan.h"
#include "serve/service.h"
#include "serve/service_accept.h"
#include "threads/worker.h"

/* How long a reload waits for the workers, each of which may be in a long
 * handler. */
#define WAIT_MS 5000

static uint32_t apply_timeout_ms(const struct reload_plan *plan)
{
	return plan->server->conf != NULL ? WAIT_MS : 0;
}

/* ---- preparing ---------------------------------------------------------- */

/* Collects the sockets that this plan closes: an overlapping address may be
 * opened beside them. Sockets from systemd are skipped, because systemd keeps
 * them open. -1: no memory. */
static int apply_find_closing(const struct reload_plan *plan,
			      struct closing_fds *closing)
{
	size_t i, k;

	for (i = 0; i < plan->address_count; i++) {
		const struct listener *listener = plan->addresses[i].listener;

		if (plan->addresses[i].next != NULL ||
		    listener->address.name != NULL)
			continue;
		for (k = 0; k < listener->count; k++)
			if (closing_fds_add(closing, listener->sockets[k].fd) <
			    0)
				return -1;
	}
	return 0;
}

static struct unix_path_mode apply_mode_of(const struct conf_service *conf)
{
	return (struct unix_path_mode){
		.mode = conf->socket_mode,
		.owner = conf->socket_owner,
		.group = conf->socket_group,
	};
}

/* Why the protocol cannot use the listener; NULL: it can. The type of an
 * inherited socket is not in the config: the open socket shows it. */
static const char *apply_misfit(const struct listener *listener,
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

/* NULL: error says why. */
static struct listener *apply_open_listener(struct server *server,
					    const struct conf_service *conf,
					    const struct reload_listen *listen,
					    const struct closing_fds *closing,
					    char *error, size_t size)
{
	struct unix_path_mode mode = apply_mode_of(conf);
	bool take = listen->action == RELOAD_LISTEN_TAKE;
	struct listener *listener;
	struct listen_address kept;
	const char *text, *why;

	text = listen_texts_keep(&server->listen_texts, listen->address->text);
	if (text == NULL) {
		snprintf(error, size, "%s", strerror(ENOMEM));
		return NULL;
	}
	if (listen_address_parse(text, &kept, error, size) < 0)
		return NULL;
	listener = take ? listener_dup(listen->from, error, size)
			: listener_open(&kept, &mode, server->inherited,
					closing, error, size);
	why = listener != NULL ? apply_misfit(listener, conf) : NULL;
	if (why == NULL)
		return listener;
	snprintf(error, size, "%s", why);
	listener_close(listener, take);
	listener_free(listener);
	return NULL;
}

static int apply_open_one(struct server *server,
			  const struct conf_service *conf,
			  struct reload_listen *listen,
			  const struct closing_fds *closing, char *error,
			  size_t size)
{
	struct unix_path_mode mode = apply_mode_of(conf);

	if (listen->address->path != NULL &&
	    unix_path_check_mode(&mode, error, size) < 0)
		return -1;
	if (listen->action == RELOAD_LISTEN_KEEP)
		return 0;
	listen->opened =
		apply_open_listener(server, conf, listen, closing, error, size);
	return listen->opened != NULL ? 0 : -1;
}

/* Opens all addresses of the plan; reports each that fails. */
static int apply_open_all(struct reload_plan *plan,
			  const struct closing_fds *closing,
			  struct report *report)
{
	char error[256];
	int result = 0;
	size_t i, k;

	for (i = 0; i < plan->count; i++) {
		const struct conf_service *conf = plan->services[i].conf;
		struct reload_listen *listen = plan->services[i].listen;

		for (k = 0; k < conf->listen_count; k++) {
			if (apply_open_one(plan->server, conf, &listen[k],
					   closing, error, sizeof(error)) == 0)
				continue;
			report_add(report, LINED_LOG_ERR,
				   "service %s: listen %s: %s", conf->name,
				   conf->listen[k].text, error);
			result = -1;
		}
	}
	return result;
}

static int apply_no_memory(struct report *report)
{
	report_add(report, LINED_LOG_ERR, "config: %s", strerror(ENOMEM));
	return -1;
}

/* Makes the new services and the calls that start them. Also pings every
 * worker: a stuck worker would not take the new config. -1: reported. */
static int apply_make_services(struct reload_plan *plan,
			       struct worker_batch *batch,
			       struct report *report)
{
	struct server *server = plan->server;
	size_t i;

	for (i = 0; i < server->worker_count; i++)
		if (service_add_ping(&server->workers[i], batch) < 0)
			return apply_no_memory(report);
	for (i = 0; i < plan->count; i++) {
		struct reload_service *service = &plan->services[i];

		service->service = service->running;
		if (service->kept)
			continue;
		service->service = service_new(&server->env, plan->conf,
					       service->conf, report);
		if (service->service == NULL)
			return -1;
		if (service_add_start(service->service, batch) < 0)
			return apply_no_memory(report);
	}
	return 0;
}

/* Starts all new services at the same time. */
static int apply_start_services(struct reload_plan *plan, struct report *report)
{
	struct worker_batch *batch = worker_batch_new();
	int result;

	if (batch == NULL)
		return apply_no_memory(report);
	result = apply_make_services(plan, batch, report);
	if (result == 0)
		result = service_run_batch(batch, apply_timeout_ms(plan),
					   report);
	worker_batch_free(batch);
	return result;
}

/* Makes the calls of the commit in advance, so that the commit cannot fail for
 * lack of memory. NULL: no memory. */
static struct worker_batch *apply_make_calls(const struct reload_plan *plan)
{
	struct worker_batch *batch = worker_batch_new();
	int result = batch != NULL ? 0 : -1;
	size_t i;

	for (i = 0; result == 0 && i < plan->address_count; i++) {
		const struct reload_address *address = &plan->addresses[i];
		const struct listener *listener = address->listener;

		if (listener_has_datagrams(listener) &&
		    (address->next == NULL ||
		     address->next->action != RELOAD_LISTEN_KEEP))
			result = service_add_close_datagrams(
				listener->service, listener->text, batch);
	}
	for (i = 0; result == 0 && i < plan->count; i++)
		if (plan->services[i].kept)
			result = service_add_reload(plan->services[i].running,
						    plan->services[i].conf,
						    batch);
	if (result == 0)
		return batch;
	worker_batch_free(batch);
	return NULL;
}

/* Opens all addresses before making services, so that all addresses that cannot
 * be opened are reported at once. Returns the calls of the commit; NULL:
 * reported. */
static struct worker_batch *apply_prepare(struct reload_plan *plan,
					  struct report *report)
{
	struct closing_fds closing = {NULL, 0};
	struct worker_batch *batch = NULL;
	bool ready = apply_find_closing(plan, &closing) == 0;

	if (ready)
		batch = apply_make_calls(plan);
	if (batch == NULL)
		apply_no_memory(report);
	ready = batch != NULL && apply_open_all(plan, &closing, report) == 0;
	if (ready && server_prepare_cluster(plan->server, plan->conf) < 0) {
		report_add(report, LINED_LOG_ERR, "cluster: %s",
			   strerror(ENOMEM));
		ready = false;
	}
	closing_fds_fini(&closing);
	if (ready && apply_start_services(plan, report) == 0)
		return batch;
	worker_batch_free(batch);
	return NULL;
}

static void apply_undo(struct reload_plan *plan)
{
	size_t i, k;

	for (i = 0; i < plan->count; i++) {
		struct reload_service *service = &plan->services[i];

		for (k = 0; k < service->conf->listen_count; k++) {
			struct reload_listen *listen = &service->listen[k];

			if (listen->opened == NULL)
				continue;
			listener_close(listen->opened, listen->from != NULL);
			listener_free(listen->opened);
		}
		if (!service->kept && service->service != NULL)
			server_begin_drain(plan->server, service->service, 0);
	}
}

/* ---- carrying it out ---------------------------------------------------- */

/* Closes the listeners that the service does not keep. */
static void apply_close_listeners(const struct reload_plan *plan,
				  struct service *service)
{
	struct listener *listener, *next;

	list_for_each_safe(listener, next, &service->listeners, link) {
		const struct reload_listen *listen;

		/* An earlier reload closed this listener, and its last event
		 * has come. */
		if (!listener->open) {
			list_remove(&listener->link);
			listener_free(listener);
			continue;
		}
		listen = reload_plan_next_listen(plan, listener);
		if (listen != NULL && listen->action == RELOAD_LISTEN_KEEP)
			continue;
		if (listen == NULL)
			service_accept_last(listener);
		listener_close(listener, listen != NULL);
		if (listen == NULL)
			log_each(LINED_LOG_NOTICE,
				 "service %s: stopped listening on %s",
				 service->name, listener->text);
	}
}

static void apply_set_modes(struct service *service,
			    const struct conf_service *conf,
			    struct report *report)
{
	struct unix_path_mode mode = apply_mode_of(conf);
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

/* -1: an address is not served; reported. */
static int apply_listen(struct reload_service *service,
			struct worker_batch *datagrams, struct report *report)
{
	const char *name = service->conf->name;
	char text[2 * LISTENER_TEXT_MAX];
	int result = 0;
	size_t i;

	for (i = 0; i < service->conf->listen_count; i++) {
		struct listener *opened = service->listen[i].opened;

		if (opened == NULL)
			continue;
		if (service_listen(service->service, opened, datagrams) == 0) {
			log_each(LINED_LOG_NOTICE,
				 "service %s: listening on %s%s", name,
				 listener_address_text(opened, text,
						       sizeof(text)),
				 service->listen[i].lost
					 ? " again: its path was removed or "
					   "replaced"
					 : "");
			continue;
		}
		report_add(report, LINED_LOG_ERR, "service %s: listen %s: %s",
			   name, opened->text, strerror(errno));
		/* Nobody accepts on this listener: close it, so that the next
		 * reload opens the address again. */
		listener_close(opened, false);
		result = -1;
	}
	return result;
}

static void apply_end_services(const struct reload_plan *plan)
{
	struct server *server = plan->server;
	struct service *service, *next;

	list_for_each_safe(service, next, &server->services, link) {
		const struct reload_service *after =
			reload_plan_next_service(plan, service);

		if (after != NULL && after->kept)
			continue;
		apply_close_listeners(plan, service);
		log_each(LINED_LOG_NOTICE, "service %s: removed",
			 service->name);
		server_begin_drain(server, service,
				   plan->conf->drain_timeout_ms);
	}
}

/* Workers take the new config and close datagram sockets before other services
 * open these addresses. */
static void apply_tell_workers(struct reload_plan *plan,
			       struct worker_batch *batch,
			       struct report *report)
{
	size_t i;

	for (i = 0; i < plan->count; i++)
		if (plan->services[i].kept)
			service_take_conf(plan->services[i].service, plan->conf,
					  plan->services[i].conf);
	service_run_batch(batch, apply_timeout_ms(plan), report);
	worker_batch_free(batch);
}

/* -1: an address is not served; reported. */
static int apply_commit(struct reload_plan *plan, struct worker_batch *batch,
			struct worker_batch *datagrams, struct report *report)
{
	struct server *server = plan->server;
	bool shown = false;
	int result = 0;
	size_t i;

	server_use_cluster(server, plan->conf, report);
	apply_tell_workers(plan, batch, report);
	apply_end_services(plan);
	for (i = 0; i < plan->count; i++) {
		struct service *service = plan->services[i].service;

		service->begun = true;
		if (plan->services[i].kept)
			apply_close_listeners(plan, service);
		else
			server_move(server, service, &server->services);
		if (!plan->services[i].kept && service->cluster != NULL) {
			cluster_show(service->cluster);
			shown = true;
		}
	}
	if (shown)
		cluster_tell_shown(server->env.cluster);
	for (i = 0; i < plan->count; i++) {
		if (apply_listen(&plan->services[i], datagrams, report) < 0)
			result = -1;
		apply_set_modes(plan->services[i].service,
				plan->services[i].conf, report);
	}
	if (service_run_batch(datagrams, apply_timeout_ms(plan), report) < 0)
		result = -1;
	worker_batch_free(datagrams);
	return result;
}

int server_apply(struct reload_plan *plan, struct report *report)
{
	struct server *server = plan->server;
	bool starting = server->conf == NULL;
	struct tls_set *tls, *before;
	struct worker_batch *batch, *datagrams = worker_batch_new();
	int result;

	tls = tls_set_new(plan->conf, server->tls.set, server->worker_count,
			  server->tls.copies, report);
	if (tls == NULL || datagrams == NULL) {
		if (datagrams == NULL)
			apply_no_memory(report);
		tls_set_free(tls);
		worker_batch_free(datagrams);
		return -1;
	}
	before = server_tls_use(&server->tls, tls);
	batch = apply_prepare(plan, report);
	if (batch == NULL) {
		worker_batch_free(datagrams);
		apply_undo(plan);
		server_tls_use(&server->tls, before);
		tls_set_free(tls);
		return -1;
	}
	result = apply_commit(plan, batch, datagrams, report);
	tls_set_free(before);
	conf_unref(server->conf);
	server->conf = conf_ref(plan->conf);
	memory_set_limit(&server->memory, conf_memory(plan->conf));
	if (server->start_conf == NULL)
		server->start_conf = conf_ref(plan->conf);
	/* At the start, an address that is not served is an error. A reload
	 * cannot be undone at this point. */
	if (starting && result < 0)
		server_abandon(server);
	return starting ? result : 0;
}
