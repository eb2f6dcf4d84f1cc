/* SPDX-License-Identifier: MIT */
/*
 * Makes the instances of a service, one on each of its workers, and receives
 * their reports: closed clients, and the end of the instance.
 */
#include "config.h"

#include "serve/service_workers.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "cluster/cluster.h"
#include "net/admission.h"
#include "serve/server_tls.h"
#include "serve/service_accept.h"

/* An instance and the calls between it and its service. The calls are part of
 * this struct, because reporting a closed client and posting a drain must not
 * fail for lack of memory. */
struct service_part {
	struct service *service;
	struct lined_service *instance;
	struct worker_call departures, drain, emptied, finish, ended;
	/* Closed clients; `departures` is posted while this is above 0. */
	atomic_uint departed;
	uint32_t drain_ms;
};

struct lined_service *service_instance_on(const struct service *service,
					  const struct worker *worker)
{
	/* An internal service has only one instance: worker->index could be out
	 * of bounds. */
	size_t at = service->instance_count == 1 ? 0 : worker->index;
	struct lined_service *instance = service->instances[at];

	return instance->worker == worker ? instance : NULL;
}

struct service *service_of(const struct lined_service *instance)
{
	const struct service_part *part = instance->owner;

	return part->service;
}

/* ---- reports of the instances ------------------------------------------ */

static void service_run_departures(struct worker_call *call)
{
	struct service_part *part =
		lined_container_of(call, struct service_part, departures);

	service_clients_left(part->service, part->instance->worker,
			     atomic_exchange(&part->departed, 0));
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

static void service_run_finish(struct worker_call *call)
{
	instance_finish(lined_container_of(call, struct service_part, finish)
				->instance);
}

/*
 * Calls finish() on all workers when no worker has clients: finish() closes
 * sockets that the protocol has opened, and these sockets may serve clients of
 * other workers. Messages published by clients arrive before these calls.
 */
static void service_run_emptied(struct worker_call *call)
{
	struct service *service =
		lined_container_of(call, struct service_part, emptied)->service;
	size_t i;

	if (--service->occupied > 0)
		return;
	for (i = 0; i < service->instance_count; i++)
		worker_post(service->instances[i]->worker,
			    &service->parts[i].finish);
}

static void service_run_ended(struct worker_call *call)
{
	struct service *service =
		lined_container_of(call, struct service_part, ended)->service;

	service->running--;
	service_check_ended(service);
}

static void service_instance_client_gone(struct lined_service *instance)
{
	struct service_part *part = instance->owner;

	if (atomic_fetch_add(&part->departed, 1) == 0)
		worker_answer(instance->worker, &part->departures);
}

static void service_run_answer(struct worker_call *call)
{
	struct client_ask *ask =
		lined_container_of(call, struct client_ask, call);

	ask->answered(ask);
}

static void service_run_ask(struct worker_call *call)
{
	struct client_ask *ask =
		lined_container_of(call, struct client_ask, call);

	ask->verdict = service_admit(service_of(ask->instance),
				     (struct sockaddr *)&ask->address,
				     &ask->entry, &ask->class);
	call->run = service_run_answer;
	worker_post(ask->instance->worker, call);
}

static void service_instance_ask(struct lined_service *instance,
				 struct client_ask *ask)
{
	ask->call.run = service_run_ask;
	worker_answer(instance->worker, &ask->call);
}

static void service_instance_emptied(struct lined_service *instance)
{
	struct service_part *part = instance->owner;

	worker_answer(instance->worker, &part->emptied);
}

static void service_instance_ended(struct lined_service *instance)
{
	struct service_part *part = instance->owner;

	worker_answer(instance->worker, &part->ended);
}

static const struct instance_owner_ops service_instance_ops = {
	.client_gone = service_instance_client_gone,
	.ask = service_instance_ask,
	.emptied = service_instance_emptied,
	.ended = service_instance_ended,
};

static void service_run_drain(struct worker_call *call)
{
	struct service_part *part =
		lined_container_of(call, struct service_part, drain);

	instance_drain(part->instance, part->drain_ms);
}

void service_instances_drain(struct service *service, uint32_t timeout_ms)
{
	size_t i;

	service->occupied = service->instance_count;
	for (i = 0; i < service->instance_count; i++) {
		struct service_part *part = &service->parts[i];

		part->drain_ms = timeout_ms;
		worker_post(part->instance->worker, &part->drain);
	}
}

/* ---- making them -------------------------------------------------------- */

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

int service_instances_make(struct service *service)
{
	size_t count, primary, i;
	uint64_t scope = service->cluster != NULL
				 ? cluster_scope(service->cluster)
				 : service->id;
	struct worker *workers = service_workers(service, &count);

	primary = worker_for_name(service->name, count);
	service->instances = calloc(count, sizeof(struct lined_service *));
	service->parts = calloc(count, sizeof(*service->parts));
	if (service->instances == NULL || service->parts == NULL)
		return -1;
	for (i = 0; i < count; i++) {
		struct service_part *part = &service->parts[i];

		service->instances[i] = instance_new(
			service->conf, scope, &workers[i], (unsigned)count,
			i == primary, &service_instance_ops, part);
		if (service->instances[i] == NULL)
			return -1;
		service->instances[i]->admission = service->admission;
		service->instances[i]->datagram_admission =
			service->datagram_admission;
		service->instances[i]->penalties = service->penalties;
		if (service->cluster != NULL) {
			struct lined_service *instance = service->instances[i];

			instance->bus.clustered = instance->name;
			instance->elsewhere =
				!cluster_service_is_primary(service->cluster);
			instance->parted =
				!cluster_is_whole(service->env->cluster);
		}
		part->service = service;
		part->instance = service->instances[i];
		part->departures.run = service_run_departures;
		part->drain.run = service_run_drain;
		part->emptied.run = service_run_emptied;
		part->finish.run = service_run_finish;
		part->ended.run = service_run_ended;
		registry_join(service->registry, i,
			      &service->instances[i]->registry,
			      service->instances[i]);
		service->instance_count++;
		service->running++;
		service->instances[i]->tls = service_make_tls(
			service, service->instances[i], service->conf);
		if (service->conf->tls_count > 0 &&
		    service->instances[i]->tls == NULL)
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
	free(service->parts);
}
