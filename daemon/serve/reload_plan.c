/* SPDX-License-Identifier: MIT */
/*
 * Compares a new config with the running services, using arrays of services
 * sorted by name and of listeners sorted by address.
 */
#include "config.h"

#include "serve/reload_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/listener.h"
#include "serve/server.h"
#include "serve/service.h"

/* ---- the running services ----------------------------------------------- */

/* An internal service may have the same name as one in the config. */
static int plan_compare_running(const void *a, const void *b)
{
	const struct conf_service *x = ((const struct reload_running *)a)->conf;
	const struct conf_service *y = ((const struct reload_running *)b)->conf;

	if (x->internal != y->internal)
		return x->internal ? 1 : -1;
	return strcmp(x->name, y->name);
}

static int plan_compare_addresses(const void *a, const void *b)
{
	return listen_address_compare(
		((const struct reload_address *)a)->address,
		((const struct reload_address *)b)->address);
}

static struct reload_running *plan_running_of(const struct reload_plan *plan,
					      const struct conf_service *conf)
{
	const struct reload_running key = {.conf = conf};

	return bsearch(&key, plan->running, plan->running_count,
		       sizeof(*plan->running), plan_compare_running);
}

static struct reload_address *
plan_address_of(const struct reload_plan *plan,
		const struct listen_address *address)
{
	const struct reload_address key = {.address = address};

	return bsearch(&key, plan->addresses, plan->address_count,
		       sizeof(*plan->addresses), plan_compare_addresses);
}

static void plan_list_running(struct reload_plan *plan)
{
	struct reload_running *running = plan->running;
	struct reload_address *address = plan->addresses;
	struct service *service;
	struct listener *listener;

	list_for_each(service, &plan->server->services, link) {
		running->conf = service->conf;
		(running++)->service = service;
		list_for_each(listener, &service->listeners, link) {
			if (!listener->open)
				continue;
			address->address = &listener->address;
			(address++)->listener = listener;
		}
	}
	qsort(plan->running, plan->running_count, sizeof(*plan->running),
	      plan_compare_running);
	qsort(plan->addresses, plan->address_count, sizeof(*plan->addresses),
	      plan_compare_addresses);
}

/* ---- the plan ----------------------------------------------------------- */

static void plan_listen(struct reload_plan *plan,
			const struct reload_service *service,
			struct reload_listen *listen)
{
	struct reload_address *now = plan_address_of(plan, listen->address);

	if (now == NULL || !listener_is_reached(now->listener)) {
		listen->action = RELOAD_LISTEN_OPEN;
		listen->lost = now != NULL;
	} else {
		now->next = listen;
		listen->from = now->listener;
		listen->action = service->kept && now->listener->service ==
							  service->running
					 ? RELOAD_LISTEN_KEEP
					 : RELOAD_LISTEN_TAKE;
	}
}

static void plan_service(struct reload_plan *plan,
			 struct reload_service *service)
{
	const struct conf_service *conf = service->conf;
	struct reload_running *now = plan_running_of(plan, conf);
	size_t i;

	if (now != NULL) {
		const struct conf_service *before = now->service->conf;

		now->next = service;
		service->running = now->service;
		/* A replaced module has another lined_protocol. */
		service->kept = before->module == conf->module &&
				before->cluster == conf->cluster &&
				conf_restarting_option(before, conf) == NULL;
		service->changes = conf_service_changes(before, conf);
		service->mode_changes = !conf_service_same_mode(before, conf);
	}
	for (i = 0; i < conf->listen_count; i++) {
		service->listen[i].address = &conf->listen[i];
		plan_listen(plan, service, &service->listen[i]);
	}
}

static bool plan_differs(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a != b;
	return strcmp(a, b) != 0;
}

static void plan_keys(struct reload_plan *plan)
{
	const struct conf *first = plan->server->start_conf;
	const struct conf *before = plan->server->conf;
	const struct conf *after = plan->conf;
	const char **key = plan->restart_keys;

	if (before == NULL)
		return;
	if (first->workers != after->workers)
		*key++ = "workers";
	if (plan_differs(first->user, after->user) ||
	    plan_differs(first->group, after->group))
		*key++ = "user";
	if (plan_differs(first->module_dir, after->module_dir))
		*key++ = "module-dir";
	if (plan_differs(first->pid_file, after->pid_file))
		*key++ = "pid-file";
	if (plan_differs(first->hardening_text, after->hardening_text))
		*key = "hardening";
	plan->cluster = !conf_cluster_equal(&before->cluster, &after->cluster);
	plan->drain_timeout =
		before->drain_timeout_ms != after->drain_timeout_ms;
	plan->memory = before->memory != after->memory;
}

/* ---- life --------------------------------------------------------------- */

static int plan_allocate(struct reload_plan *plan)
{
	size_t listens = 0, i;
	struct service *service;
	struct listener *listener;

	plan->count = conf_count_all(plan->conf);
	for (i = 0; i < plan->count; i++)
		listens += conf_service_at(plan->conf, i)->listen_count;
	list_for_each(service, &plan->server->services, link) {
		plan->running_count++;
		list_for_each(listener, &service->listeners, link)
			plan->address_count += listener->open;
	}
	plan->services = calloc(plan->count + 1, sizeof(*plan->services));
	plan->listen = calloc(listens + 1, sizeof(*plan->listen));
	plan->running = calloc(plan->running_count + 1, sizeof(*plan->running));
	plan->addresses =
		calloc(plan->address_count + 1, sizeof(*plan->addresses));
	return plan->services != NULL && plan->listen != NULL &&
			       plan->running != NULL && plan->addresses != NULL
		       ? 0
		       : -1;
}

struct reload_plan *reload_plan_new(struct server *server, struct conf *conf)
{
	struct reload_plan *plan = calloc(1, sizeof(*plan));
	struct reload_listen *listen;
	size_t i;

	if (plan == NULL)
		return NULL;
	plan->server = server;
	plan->conf = conf_ref(conf);
	if (plan_allocate(plan) < 0) {
		reload_plan_free(plan);
		errno = ENOMEM;
		return NULL;
	}
	plan_list_running(plan);
	listen = plan->listen;
	for (i = 0; i < plan->count; i++) {
		plan->services[i].conf = conf_service_at(conf, i);
		plan->services[i].listen = listen;
		listen += plan->services[i].conf->listen_count;
		plan_service(plan, &plan->services[i]);
	}
	plan_keys(plan);
	return plan;
}

void reload_plan_free(struct reload_plan *plan)
{
	if (plan == NULL)
		return;
	conf_unref(plan->conf);
	free(plan->services);
	free(plan->listen);
	free(plan->running);
	free(plan->addresses);
	free(plan);
}

const struct reload_service *
reload_plan_next_service(const struct reload_plan *plan,
			 const struct service *service)
{
	const struct reload_running *now = plan_running_of(plan, service->conf);

	return now != NULL ? now->next : NULL;
}

const struct reload_listen *
reload_plan_next_listen(const struct reload_plan *plan,
			const struct listener *listener)
{
	const struct reload_address *now =
		plan_address_of(plan, &listener->address);

	return now != NULL ? now->next : NULL;
}
