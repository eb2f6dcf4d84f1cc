/* SPDX-License-Identifier: MIT */
/*
 * Carries out a reload plan as a transaction: all addresses are opened and all
 * new services started before a running service is changed. If that fails, all
 * of it is undone.
 */
#include "config.h"

#include "serve/reload_plan.h"

#include <errno.h>
#include <string.h>

#include "log/error_report.h"
#include "serve/reload_listen.h"
#include "serve/server.h"
#include "serve/service.h"

/* How long a reload waits for the workers, each of which may be in a long
 * handler. */
#define WAIT_MS 5000

static uint32_t apply_timeout_ms(const struct reload_plan *plan)
{
	return plan->server->conf != NULL ? WAIT_MS : 0;
}

/* ---- preparing ---------------------------------------------------------- */

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
 * lack of memory. -1: reported. */
static int apply_make_calls(const struct reload_plan *plan,
			    struct worker_batch *batch, struct report *report)
{
	size_t i;

	for (i = 0; i < plan->address_count; i++) {
		const struct reload_address *address = &plan->addresses[i];
		const struct listener *listener = address->listener;

		if (listener_has_datagrams(listener) &&
		    (address->next == NULL ||
		     address->next->action != RELOAD_LISTEN_KEEP) &&
		    service_add_close_datagrams(listener->service,
						listener->text, batch) < 0)
			return apply_no_memory(report);
	}
	for (i = 0; i < plan->count; i++)
		if (plan->services[i].kept &&
		    service_add_reload(plan->services[i].running,
				       plan->services[i].conf, batch) < 0)
			return apply_no_memory(report);
	return 0;
}

static void apply_undo(struct reload_plan *plan)
{
	size_t i;

	reload_listen_undo(plan);
	for (i = 0; i < plan->count; i++) {
		struct reload_service *service = &plan->services[i];

		if (!service->kept && service->service != NULL)
			server_begin_drain(plan->server, service->service, 0);
	}
}

/* ---- carrying it out ---------------------------------------------------- */

static void apply_end_services(const struct reload_plan *plan)
{
	struct server *server = plan->server;
	struct service *service, *next;

	list_for_each_safe(service, next, &server->services, link) {
		const struct reload_service *after =
			reload_plan_next_service(plan, service);

		if (after != NULL && after->kept)
			continue;
		reload_listen_close(plan, service);
		log_each(LINED_LOG_NOTICE, "service %s: removed",
			 service->name);
		server_begin_drain(server, service,
				   plan->conf->drain_timeout_ms);
	}
}

/* Workers take the new config and close datagram sockets before other services
 * open the same addresses. */
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
}

/* -1, reported: an address is not served. */
static int apply_commit(struct reload_plan *plan, struct worker_batch *batch,
			struct worker_batch *datagrams, struct report *report)
{
	struct server *server = plan->server;
	bool shown = false;
	int result;
	size_t i;

	server_use_cluster(server, plan->conf, report);
	apply_tell_workers(plan, batch, report);
	apply_end_services(plan);
	server_leave_cluster(server);
	for (i = 0; i < plan->count; i++) {
		struct service *service = plan->services[i].service;

		service->begun = true;
		if (plan->services[i].kept)
			reload_listen_close(plan, service);
		else
			server_move(server, service, &server->services);
		if (!plan->services[i].kept && service->cluster != NULL) {
			cluster_show(service->cluster);
			shown = true;
		}
	}
	if (shown)
		cluster_tell_shown(server->env.cluster);
	result = reload_listen_start(plan, datagrams, report);
	if (service_run_batch(datagrams, apply_timeout_ms(plan), report) < 0)
		result = -1;
	return result;
}

int reload_apply(struct reload_plan *plan, struct report *report)
{
	struct server *server = plan->server;
	bool starting = server->conf == NULL;
	struct worker_batch *batch = worker_batch_new();
	struct worker_batch *datagrams = worker_batch_new();
	struct tls_set *tls = NULL, *before;
	int result = -1;

	if (batch == NULL || datagrams == NULL)
		apply_no_memory(report);
	else
		tls = tls_set_new(plan->conf, server->tls.set,
				  server->worker_count, server->tls.copies,
				  report);
	if (tls == NULL)
		goto end;
	before = server_tls_use(&server->tls, tls);
	if (apply_make_calls(plan, batch, report) < 0 ||
	    reload_listen_open(plan, report) < 0 ||
	    server_prepare_cluster(server, plan->conf, report) < 0 ||
	    apply_start_services(plan, report) < 0) {
		apply_undo(plan);
		server_tls_use(&server->tls, before);
		tls_set_free(tls);
		goto end;
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
	if (!starting)
		result = 0;
	else if (result < 0)
		server_abandon(server);
end:
	worker_batch_free(batch);
	worker_batch_free(datagrams);
	return result;
}
