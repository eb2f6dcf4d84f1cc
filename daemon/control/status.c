/* SPDX-License-Identifier: MIT */
/*
 * Builds the records of the daemon, its workers and its certificates. All
 * values belong to the main thread or are atomic counters, so the records can
 * be built while a worker is stuck.
 */
#include "config.h"

#include "control/verbs.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "counter.h"
#include "dispatcher_watch.h"
#include "serve/server.h"
#include "serve/service.h"
#include "threads/bus.h"

static size_t status_count_services(struct server *server)
{
	struct service *service;
	size_t count = 0;

	list_for_each(service, &server->services, link)
		count += !service->conf->internal;
	return count;
}

/* The number of requests refused because the client had no right to make them.
 */
static uint64_t status_count_denied(struct server *server)
{
	struct instance_counter sums[INSTANCE_COUNTERS_MAX];
	struct service *service;
	uint64_t denied = 0;
	size_t count, i;

	list_for_each(service, &server->services, link) {
		if (!service->conf->internal)
			continue;
		count = service_protocol_counters(service, sums);
		for (i = 0; i < count; i++)
			if (strcmp(sums[i].name, "denied") == 0)
				denied += sums[i].value;
	}
	return denied;
}

static void status_add_bus(const struct bus *bus, struct response *response)
{
	struct bus_counters counters;

	bus_count(bus, &counters);
	response_number(response, "bus.published", counters.published);
	response_number(response, "bus.posted", counters.posts);
	response_number(response, "bus.refused", counters.refused);
	response_number(response, "bus.pauses", counters.pauses);
}

static void status_add_turns(const struct turn_stats *stats,
			     struct response *response)
{
	/* A histogram: turns_us.500 counts the turns that took more than 100
	 * and at most 500 microseconds. */
	static const char *const names[TURN_STATS_BOUNDS + 1] = {
		"turns_us.100",     "turns_us.500",    "turns_us.1000",
		"turns_us.5000",    "turns_us.10000",  "turns_us.50000",
		"turns_us.100000",  "turns_us.500000", "turns_us.1000000",
		"turns_us.5000000", "turns_us.more",
	};
	unsigned i;

	response_number(response, "turns", counter_read(&stats->turns));
	response_number(response, "busy_us",
			counter_read(&stats->busy_ns) / 1000);
	for (i = 0; i <= TURN_STATS_BOUNDS; i++)
		response_number(response, names[i],
				counter_read(&stats->lasted[i]));
}

static void status_add_worker(const struct worker *worker, const char *name,
			      struct response *response)
{
	response_record(response, "worker");
	response_text(response, "name", name);
	response_number(response, "clients", worker->load);
	response_flag(response, "stuck", worker_is_stuck(worker));
	status_add_turns(dispatcher_turns(worker->dispatcher), response);
}

static void status_add_tls(const struct server *server,
			   struct response *response)
{
	const struct tls_set *set = server->tls.set;
	const char *const *names;
	time_t now = time(NULL);
	size_t i, count;

	for (i = 0; set != NULL && i < set->count; i++) {
		const struct tls_section *section = &set->sections[i];
		int64_t end = tls_files_not_after(section->files);

		count = tls_files_names(section->files, &names);
		response_record(response, "tls");
		response_text(response, "name", section->conf->name);
		response_list(response, "names", names, count);
		response_number(response, "days_left",
				end > now ? (uint64_t)(end - now) / 86400 : 0);
		response_number(response, "expires_s",
				end > 0 ? (uint64_t)end : 0);
	}
}

void status_add(struct control *control, struct response *response)
{
	struct server *server = control->server;
	char name[16];
	size_t i;

	response_record(response, "daemon");
	response_text(response, "version", PACKAGE_VERSION);
	response_text(response, "state",
		      server->stopping ? "stopping" : "serving");
	control->ops->describe(control, response);
	response_text(response, "poller",
		      lined_dispatcher_poller(server->dispatcher));
	response_number(response, "workers", server->worker_count);
	response_number(response, "services", status_count_services(server));
	response_number(response, "clients", server->env.clients);
	response_number(response, "memory_held", memory_held(&server->memory));
	response_number(response, "memory_kept", memory_kept(&server->memory));
	response_number(response, "memory_limit",
			memory_limit(&server->memory));
	response_number(response, "memory_given_up",
			counter_read(&server->memory.given_up));
	response_number(response, "memory_closed",
			counter_read(&server->memory.closed));
	response_number(response, "control_denied",
			status_count_denied(server));
	status_add_bus(server->bus, response);
	for (i = 0; i < server->worker_count; i++) {
		snprintf(name, sizeof(name), "%u", server->workers[i].index);
		status_add_worker(&server->workers[i], name, response);
	}
	if (server->env.main_worker == &server->main_worker)
		status_add_worker(&server->main_worker, "main", response);
	status_add_tls(server, response);
	cluster_add_records(control, response);
}

void status_run(struct control *control, struct request *request)
{
	struct response response = {.oom = false};

	status_add(control, &response);
	request_finish(request, &response);
}
