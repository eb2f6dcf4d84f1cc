/* SPDX-License-Identifier: MIT */
/*
 * Calls from a service to its instances. For start, reload and datagram
 * sockets, the calls are collected in a batch and the main thread waits for
 * them. For new certificates and the cluster's state, nobody waits.
 */
#include "config.h"

#include "serve/service.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/cluster.h"
#include "log/error_report.h"
#include "net/admission.h"
#include "serve/service_workers.h"

struct instance_call {
	struct batch_call call;
	struct lined_service *instance;
	const struct conf_service *conf;
	struct conf *before; /* a reference: in use until the call has run */
	const char *listen;
	struct tls_server *tls; /* the instance owns it once the call has run */
	struct report report;   /* messages of the protocol during the call */
	int result, error;
	/* Datagram sockets of the address; the call owns them. */
	size_t arrival_count;
	struct client_arrival arrivals[];
};

static void service_close_arrivals(const struct instance_call *call,
				   size_t first)
{
	size_t i;

	for (i = first; i < call->arrival_count; i++)
		close(call->arrivals[i].fd);
}

static void service_end_call(struct batch_call *batch_call)
{
	struct instance_call *call =
		lined_container_of(batch_call, struct instance_call, call);

	if (!atomic_load(&call->call.done))
		service_close_arrivals(call, 0);
	tls_server_free(call->tls);
	report_fini(&call->report);
	conf_unref(call->before);
}

static void service_run_use_tls(struct batch_call *batch_call)
{
	struct instance_call *call =
		lined_container_of(batch_call, struct instance_call, call);

	tls_server_free(call->instance->tls);
	call->instance->tls = call->tls;
	call->tls = NULL;
}

static struct instance_call *
service_add_call(struct worker_batch *batch, struct lined_service *instance,
		 void (*run)(struct batch_call *call))
{
	struct instance_call *call = worker_batch_add(
		batch, instance->worker, sizeof(*call), run, service_end_call);

	if (call != NULL)
		call->instance = instance;
	return call;
}

static void service_run_start(struct batch_call *batch_call)
{
	struct instance_call *call =
		lined_container_of(batch_call, struct instance_call, call);

	call->instance->report = &call->report;
	call->result = instance_start(call->instance);
	call->instance->report = NULL;
}

static void service_run_reload(struct batch_call *batch_call)
{
	struct instance_call *call =
		lined_container_of(batch_call, struct instance_call, call);

	service_run_use_tls(batch_call);
	call->instance->report = &call->report;
	instance_reload(call->instance, call->conf);
	call->instance->report = NULL;
	if (call->instance->primary)
		admission_set_limits(call->instance->datagram_admission,
				     &call->conf->bounds.admission);
}

static void service_run_close_datagrams(struct batch_call *batch_call)
{
	struct instance_call *call =
		lined_container_of(batch_call, struct instance_call, call);

	instance_close_datagrams(call->instance, call->listen);
}

int service_add_start(struct service *service, struct worker_batch *batch)
{
	size_t i;

	for (i = 0; i < service->instance_count; i++)
		if (service_add_call(batch, service->instances[i],
				     service_run_start) == NULL)
			return -1;
	return 0;
}

int service_add_reload(struct service *service, const struct conf_service *conf,
		       struct worker_batch *batch)
{
	struct instance_call *call;
	size_t i;

	for (i = 0; i < service->instance_count; i++) {
		call = service_add_call(batch, service->instances[i],
					service_run_reload);
		if (call == NULL)
			return -1;
		call->conf = conf;
		call->before = conf_ref(service->whole);
		call->tls = service_make_tls(service, call->instance, conf);
		if (call->tls == NULL && conf->tls_count > 0)
			return -1;
	}
	return 0;
}

void service_use_tls(struct service *service)
{
	struct worker_batch *batch = worker_batch_new();
	struct instance_call *call = NULL;
	size_t i;

	for (i = 0; batch != NULL && i < service->instance_count; i++) {
		call = service_add_call(batch, service->instances[i],
					service_run_use_tls);
		if (call == NULL)
			break;
		call->tls = service_make_tls(service, call->instance,
					     service->conf);
		if (call->tls == NULL)
			break;
	}
	if (batch != NULL && i == service->instance_count)
		worker_batch_post(batch);
	else
		log_err("service %s: tls: %s: the certificates before stay in "
			"use",
			service->name, strerror(ENOMEM));
	worker_batch_free(batch);
}

struct cluster_call {
	struct worker_call call;
	struct lined_service *instance;
	bool primary, whole;
};

static void service_end_cluster(struct worker_call *call)
{
	struct cluster_call *cluster =
		lined_container_of(call, struct cluster_call, call);

	service_release(cluster->instance->service);
	free(cluster);
}

static void service_run_cluster(struct worker_call *call)
{
	struct cluster_call *cluster =
		lined_container_of(call, struct cluster_call, call);

	instance_set_cluster(cluster->instance, cluster->primary,
			     cluster->whole);
	call->run = service_end_cluster;
	worker_answer(cluster->instance->worker, call);
}

void service_tell_cluster(struct service *service)
{
	const struct cluster *cluster = service->env->cluster;
	size_t i;

	for (i = 0; i < service->instance_count; i++) {
		struct cluster_call *call = calloc(1, sizeof(*call));

		if (call == NULL) {
			log_err("service %s: cluster: %s", service->name,
				strerror(ENOMEM));
			return;
		}
		call->call.run = service_run_cluster;
		call->instance = service->instances[i];
		call->primary = cluster_service_is_primary(service->cluster);
		call->whole = cluster_is_whole(cluster);
		service_hold(service);
		worker_post(call->instance->worker, &call->call);
	}
}

int service_add_close_datagrams(struct service *service, const char *listen,
				struct worker_batch *batch)
{
	size_t primary =
		worker_for_name(service->name, service->instance_count);
	struct instance_call *call =
		service_add_call(batch, service->instances[primary],
				 service_run_close_datagrams);

	if (call == NULL)
		return -1;
	call->listen = listen;
	return 0;
}

static void service_run_datagrams(struct batch_call *batch_call)
{
	struct instance_call *call =
		lined_container_of(batch_call, struct instance_call, call);
	size_t i = 0;

	errno = ESHUTDOWN;
	call->result = call->instance->draining ? -1 : 0;
	while (call->result == 0 && i < call->arrival_count)
		call->result =
			client_start(call->instance, &call->arrivals[i++]);
	call->error = errno;
	if (call->result == 0)
		return;
	service_close_arrivals(call, i);
	instance_close_datagrams(call->instance, call->listen);
}

static void service_run_nothing(struct batch_call *call)
{
}

int service_add_datagrams(struct service *service, struct listener *listener,
			  struct worker_batch *batch)
{
	struct lined_service *primary = service->instances[worker_for_name(
		service->name, service->instance_count)];
	struct instance_call *call;
	size_t i;

	if (!listener_has_datagrams(listener))
		return 0;
	call = worker_batch_add(batch, primary->worker,
				sizeof(*call) + listener->count *
							sizeof(*call->arrivals),
				service_run_datagrams, service_end_call);
	if (call == NULL)
		return -1;
	call->instance = primary;
	call->listen = listener->text;
	for (i = 0; i < listener->count; i++) {
		struct client_arrival *arrival =
			&call->arrivals[call->arrival_count];

		if (!listener->sockets[i].datagram)
			continue;
		arrival->fd = listener_take_fd(listener, i);
		if (arrival->fd < 0)
			break;
		arrival->id = service_next_client_id(service);
		arrival->listen = listener->text;
		arrival->datagram = true;
		call->arrival_count++;
	}
	if (i == listener->count)
		return 0;
	service_close_arrivals(call, 0);
	call->arrival_count = 0;
	call->call.run = service_run_nothing;
	return -1;
}

int service_add_ping(struct worker *worker, struct worker_batch *batch)
{
	return worker_batch_add(batch, worker, sizeof(struct instance_call),
				service_run_nothing, service_end_call) != NULL
		       ? 0
		       : -1;
}

static void service_report_late(const struct worker *worker,
				uint32_t timeout_ms, struct report *report)
{
	report_add(report, LINED_LOG_ERR,
		   "worker %u has not answered within %u s: it is busy or "
		   "stuck",
		   worker->index, timeout_ms / 1000);
}

/* Closes the listeners of an address that cannot be served: the next reload
 * opens it again. */
static void service_close_address(struct service *service, const char *text)
{
	struct listener *listener;

	list_for_each(listener, &service->listeners, link)
		if (listener->text == text)
			listener_close(listener, false);
}

/* Passes on the call's messages. -1: the call has failed. */
static int service_collect_call(const struct instance_call *call,
				struct report *report)
{
	size_t i;

	for (i = 0; i < call->report.count; i++)
		report_keep(report, call->report.messages[i].level,
			    call->report.messages[i].text);
	return call->result;
}

int service_run_batch(struct worker_batch *batch, uint32_t timeout_ms,
		      struct report *report)
{
	const struct service *failed = NULL;
	const struct worker *late = NULL;
	struct batch_call *at;
	int result = 0;

	worker_batch_post(batch);
	worker_batch_wait(batch, timeout_ms);
	for (at = worker_batch_first(batch); at != NULL; at = at->next) {
		const struct instance_call *call =
			lined_container_of(at, struct instance_call, call);

		if (!atomic_load(&at->done)) {
			if (late == NULL)
				service_report_late(at->worker, timeout_ms,
						    report);
			late = at->worker;
			result = -1;
		} else if (service_collect_call(call, report) < 0) {
			/* One message for all instances of a service. */
			if (call->listen != NULL) {
				report_add(report, LINED_LOG_ERR,
					   "service %s: listen %s: %s",
					   call->instance->name, call->listen,
					   strerror(call->error));
				service_close_address(call->instance->service,
						      call->listen);
			} else if (failed != call->instance->service) {
				report_add(report, LINED_LOG_ERR,
					   "service %s: protocol %s could not "
					   "start",
					   call->instance->name,
					   call->instance->conf->protocol);
			}
			failed = call->instance->service;
			result = -1;
		}
	}
	return result;
}
