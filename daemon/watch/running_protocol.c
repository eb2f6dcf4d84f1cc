/* SPDX-License-Identifier: MIT */
/*
 * While a worker calls a protocol, it stores pointers to the instance, the
 * group and the handler. This file compares them with the instances of all
 * services and the code of all modules.
 */
#include "config.h"

#include "watch/running_protocol.h"

#include <pthread.h>

#include "dispatcher_watch.h"
#include "module/module.h"
#include "serve/server.h"
#include "serve/service.h"

static const struct lined_service *
running_protocol_instance(const struct list *services,
			  const struct worker *worker)
{
	const struct lined_service *inside =
		__atomic_load_n(&worker->inside, __ATOMIC_RELAXED);
	const struct lined_socket_group *serving =
		dispatcher_serving(worker->dispatcher);
	const struct service *service;

	list_for_each(service, services, link) {
		const struct lined_service *instance =
			service_instance_on(service, worker);

		if (instance == NULL)
			continue;
		if (instance == inside || &instance->group == serving ||
		    &instance->own_group == serving)
			return instance;
	}
	return NULL;
}

bool running_protocol_is_handler(const struct worker *worker)
{
	return dispatcher_calling(worker->dispatcher) != 0 ||
	       dispatcher_serving(worker->dispatcher) != NULL ||
	       __atomic_load_n(&worker->inside, __ATOMIC_RELAXED) != NULL;
}

bool running_protocol_find(const struct running_protocol *code,
			   const struct worker *worker,
			   struct code_owner *owner)
{
	const struct lined_service *instance =
		running_protocol_instance(&code->server->services, worker);
	const struct lined_protocol *protocol;

	if (instance == NULL)
		instance = running_protocol_instance(&code->server->draining,
						     worker);
	if (instance != NULL) {
		owner->protocol = instance->protocol->name;
		owner->service = instance->name;
		return true;
	}
	protocol = module_of_code(code->modules,
				  dispatcher_calling(worker->dispatcher));
	if (protocol == NULL)
		return false;
	owner->protocol = protocol->name;
	owner->service = NULL;
	return true;
}

/* ---- for the report of a crash ------------------------------------------ */

/* The calling thread's worker; NULL: none. */
static const struct worker *current_worker(const struct server *server)
{
	size_t i;

	for (i = 0; i < server->worker_count; i++) {
		const struct worker *worker = &server->workers[i];

		if (pthread_equal(worker->thread, pthread_self()))
			return worker;
	}
	return NULL;
}

static void running_protocol_this_thread(const struct crash_reporter *reporter,
					 struct crash_thread *thread)
{
	const struct running_protocol *code =
		lined_container_of(reporter, struct running_protocol, reporter);
	const struct worker *worker = current_worker(code->server);
	const struct lined_service *inside;
	struct code_owner owner = {NULL, NULL};

	if (worker == NULL)
		return;
	/* Only the worker's own thread may dereference `inside`, which is also
	 * set for a service that the server's lists do not contain: one that
	 * starts or has just ended. */
	inside = worker->inside;
	if (inside != NULL) {
		owner.protocol = inside->protocol->name;
		owner.service = inside->name;
	} else {
		running_protocol_find(code, worker, &owner);
	}
	thread->worker = (int)worker->index;
	thread->protocol = owner.protocol;
	thread->service = owner.service;
}

static bool running_protocol_others(const struct crash_reporter *reporter,
				    size_t at, struct crash_thread *thread)
{
	const struct running_protocol *code =
		lined_container_of(reporter, struct running_protocol, reporter);
	struct code_owner owner = {NULL, NULL};
	const struct worker *worker;

	if (at >= code->server->worker_count ||
	    !code->server->workers[at].threaded)
		return false;
	worker = &code->server->workers[at];
	running_protocol_find(code, worker, &owner);
	*thread = (struct crash_thread){
		.worker = (int)worker->index,
		.protocol = owner.protocol,
		.service = owner.service,
	};
	return true;
}

void running_protocol_init(struct running_protocol *code,
			   const struct server *server,
			   const struct modules *modules)
{
	code->server = server;
	code->modules = modules;
	code->reporter = (struct crash_reporter){
		.this_thread = running_protocol_this_thread,
		.others = running_protocol_others,
	};
}
