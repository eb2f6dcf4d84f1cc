/* SPDX-License-Identifier: MIT */
/*
 * Makes the instances of a service, one on each of its workers, and receives
 * their calls: closed clients, requests to admit a client, and the steps of a
 * drain.
 */
#include "config.h"

#include "serve/service_workers.h"

#include <stdlib.h>

#include "cluster/cluster.h"
#include "net/admission.h"
#include "serve/server_tls.h"
#include "serve/service_accept.h"

struct lined_service *service_instance_on(const struct service *service,
					  const struct worker *worker)
{
	/* An internal service has only one instance: worker->index could be out
	 * of bounds. */
	size_t at = service->instance_count == 1 ? 0 : worker->index;
	struct lined_service *instance = service->instances[at];

	return instance->worker == worker ? instance : NULL;
}

/* ---- reports of the instances ------------------------------------------ */

static void service_run_departures(struct worker_call *call)
{
	struct lined_service *instance = lined_container_of(
		call, struct lined_service, calls.departures);

	service_clients_left(instance->service, instance->worker,
			     atomic_exchange(&instance->departed, 0));
}

static void service_check_ended(struct service *service)
{
	if (service->running == 0 && service->holds == 0)
		service->env->ended(service);
}

void service_hold(struct service *service)
{
	service->holds++;
}

void service_release(struct service *service)
{
	service->holds--;
	service_check_ended(service);
}

static void service_run_part(struct worker_call *call)
{
	instance_part(
		lined_container_of(call, struct lined_service, calls.part));
}

/*
 * Lets the instances close their clients when all workers have handled the
 * lines from before the drain: a line may be for clients of other workers.
 * Messages published by clients arrive before these calls.
 */
static void service_run_heard(struct worker_call *call)
{
	struct service *service =
		lined_container_of(call, struct lined_service, calls.heard)
			->service;
	size_t i;

	if (--service->unheard > 0)
		return;
	for (i = 0; i < service->instance_count; i++)
		worker_post(service->instances[i]->worker,
			    &service->instances[i]->calls.part);
}

static void service_run_finish(struct worker_call *call)
{
	instance_finish(
		lined_container_of(call, struct lined_service, calls.finish));
}

/*
 * Calls finish() on all workers when no worker has clients: finish() closes
 * sockets that the protocol has opened, and these sockets may serve clients of
 * other workers. Messages published by clients arrive before these calls.
 */
static void service_run_emptied(struct worker_call *call)
{
	struct service *service =
		lined_container_of(call, struct lined_service, calls.emptied)
			->service;
	size_t i;

	if (--service->occupied > 0)
		return;
	for (i = 0; i < service->instance_count; i++)
		worker_post(service->instances[i]->worker,
			    &service->instances[i]->calls.finish);
}

static void service_run_ended(struct worker_call *call)
{
	struct service *service =
		lined_container_of(call, struct lined_service, calls.ended)
			->service;

	service->running--;
	service_check_ended(service);
}

static void service_run_ask(struct worker_call *call)
{
	struct client_ask *ask =
		lined_container_of(call, struct client_ask, call);

	ask->verdict = service_admit(ask->instance->service,
				     (struct sockaddr *)&ask->address,
				     &ask->entry, &ask->class);
	call->run = ask->answered;
	worker_post(ask->instance->worker, call);
}

static void service_run_drain(struct worker_call *call)
{
	struct lined_service *instance =
		lined_container_of(call, struct lined_service, calls.drain);

	instance_drain(instance, instance->drain_ms);
}

void service_instances_drain(struct service *service, uint32_t timeout_ms)
{
	size_t i;

	service->unheard = service->instance_count;
	service->occupied = service->instance_count;
	for (i = 0; i < service->instance_count; i++) {
		struct lined_service *instance = service->instances[i];

		instance->drain_ms = timeout_ms;
		worker_post(instance->worker, &instance->calls.drain);
	}
}

/* ---- making instances --------------------------------------------------- */

struct tls_server *service_make_tls(const struct service *service,
				    const struct lined_service *instance,
				    const struct conf_service *conf)
{
	return conf->tls_count == 0
		       ? NULL
		       : tls_set_server(service->env->tls->set, conf,
					instance->worker->index);
}

struct worker *service_workers(const struct service *service, size_t *count)
{
	const struct service_env *env = service->env;

	*count = service->conf->internal ? 1 : env->worker_count;
	return service->conf->internal ? env->main_worker : env->workers;
}

/* Makes the instance on this worker. NULL: no memory. */
static struct lined_service *service_make_instance(struct service *service,
						   struct worker *worker,
						   unsigned workers,
						   bool primary)
{
	const struct cluster_service *cluster = service->cluster;
	struct lined_service *instance = instance_new(
		service->conf,
		cluster != NULL ? cluster_scope(cluster) : service->id, worker,
		workers, primary);

	if (instance == NULL)
		return NULL;
	instance->service = service;
	instance->admission = service->admission;
	instance->datagram_admission = service->datagram_admission;
	instance->penalties = service->penalties;
	if (cluster != NULL) {
		instance->bus.clustered = instance->name;
		instance->elsewhere = !cluster_service_is_primary(cluster);
		instance->parted = !cluster_is_whole(service->env->cluster);
	}
	instance->calls.departures.run = service_run_departures;
	instance->calls.heard.run = service_run_heard;
	instance->calls.emptied.run = service_run_emptied;
	instance->calls.ended.run = service_run_ended;
	instance->calls.drain.run = service_run_drain;
	instance->calls.part.run = service_run_part;
	instance->calls.finish.run = service_run_finish;
	instance->calls.ask = service_run_ask;
	return instance;
}

int service_instances_make(struct service *service)
{
	size_t count, primary, i;
	struct worker *workers = service_workers(service, &count);
	struct lined_service *instance;

	primary = worker_for_name(service->name, count);
	service->instances = calloc(count, sizeof(struct lined_service *));
	if (service->instances == NULL)
		return -1;
	for (i = 0; i < count; i++) {
		instance = service_make_instance(service, &workers[i],
						 (unsigned)count, i == primary);
		if (instance == NULL)
			return -1;
		service->instances[i] = instance;
		registry_join(service->registry, i, &instance->registry,
			      instance);
		service->instance_count++;
		service->running++;
		instance->tls =
			service_make_tls(service, instance, service->conf);
		if (service->conf->tls_count > 0 && instance->tls == NULL)
			return -1;
	}
	return 0;
}

void service_instances_free(struct service *service)
{
	size_t i;

	for (i = 0; i < service->instance_count; i++)
		instance_free(service->instances[i]);
	free(service->instances);
}
