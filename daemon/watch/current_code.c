/* SPDX-License-Identifier: MIT */
/*
 * The services' instances and the modules' code, compared with the pointers
 * that a worker leaves while it calls somebody.
 */
#include "config.h"

#include "watch/current_code.h"

#include "module/module.h"
#include "serve/server.h"
#include "serve/service.h"
#include "serving.h"

static const struct lined_service *find_in(const struct list *services,
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

bool running_anything(const struct worker *worker)
{
	return dispatcher_calling(worker->dispatcher) != 0 ||
	       dispatcher_serving(worker->dispatcher) != NULL ||
	       __atomic_load_n(&worker->inside, __ATOMIC_RELAXED) != NULL;
}

bool running_find(const struct server *server, const struct worker *worker,
		  struct running *running)
{
	const struct lined_service *instance =
		find_in(&server->services, worker);
	const struct lined_protocol *protocol;

	if (instance == NULL)
		instance = find_in(&server->draining, worker);
	if (instance != NULL) {
		running->protocol = instance->protocol->name;
		running->service = instance->name;
		return true;
	}
	protocol = module_of_code(server->modules,
				  dispatcher_calling(worker->dispatcher));
	if (protocol == NULL)
		return false;
	running->protocol = protocol->name;
	running->service = NULL;
	return true;
}

bool running_find_own(const struct server *server, const struct worker *worker,
		      struct running *running)
{
	if (worker->inside == NULL)
		return running_find(server, worker, running);
	running->protocol = worker->inside->protocol->name;
	running->service = worker->inside->name;
	return true;
}
