/* SPDX-License-Identifier: MIT */
/*
 * Builds the records of the daemon, its workers and its services. All values
 * belong to the main thread or are atomic counters, so that status works while
 * a worker is stuck.
 */
#include "config.h"

#include "control/verbs.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/reply.h"
#include "dispatcher_watch.h"
#include "net/admission.h"
#include "net/penalty.h"
#include "serve/client_log.h"
#include "serve/client_tls.h"
#include "serve/server.h"
#include "serve/service.h"
#include "threads/bus.h"
#include "threads/registry.h"

static uint64_t status_load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* ---- the daemon and its threads ----------------------------------------- */

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
	/* A histogram: each value counts the turns up to this many microseconds
	 * that the values before do not count. */
	static const char *const names[TURN_STATS_BOUNDS + 1] = {
		"turns_us.100",     "turns_us.500",    "turns_us.1000",
		"turns_us.5000",    "turns_us.10000",  "turns_us.50000",
		"turns_us.100000",  "turns_us.500000", "turns_us.1000000",
		"turns_us.5000000", "turns_us.more",
	};
	unsigned i;

	response_number(response, "turns", status_load(&stats->turns));
	response_number(response, "busy_us",
			status_load(&stats->busy_ns) / 1000);
	for (i = 0; i <= TURN_STATS_BOUNDS; i++)
		response_number(response, names[i],
				status_load(&stats->lasted[i]));
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

static void status_daemon(struct control *control, struct response *response)
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
	response_number(response, "clients", server->clients);
	response_number(response, "memory_held", memory_held(&server->memory));
	response_number(response, "memory_kept", memory_kept(&server->memory));
	response_number(response, "memory_limit",
			memory_limit(&server->memory));
	response_number(response, "memory_given_up",
			status_load(&server->memory.given_up));
	response_number(response, "memory_closed",
			status_load(&server->memory.closed));
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

/* ---- services ------------------------------------------------------------ */

#define CLIENTS offsetof(struct lined_service, group.counters)
#define OPENED  offsetof(struct lined_service, own_group.counters)
#define COUNTER(member)                                                        \
	{                                                                      \
#member, offsetof(struct lined_counters, member), false        \
	}
/* Includes connections that the protocol opened. */
#define COUNTER_OF_ALL(member)                                                 \
	{                                                                      \
#member, offsetof(struct lined_counters, member), true         \
	}

static void status_add_counters(const struct service *service,
				struct response *response)
{
	static const struct {
		const char *name;
		size_t offset;
		bool of_all;
	} counters[] = {
		COUNTER_OF_ALL(lines_in),
		COUNTER(bytes_in),
		COUNTER(bytes_out),
		COUNTER(sends),
		COUNTER(queued),
		COUNTER_OF_ALL(too_long),
		COUNTER_OF_ALL(truncated),
		COUNTER_OF_ALL(bare_lf),
		COUNTER_OF_ALL(unterminated),
		COUNTER(sends_dropped),
		COUNTER(datagrams_in),
		COUNTER(datagrams_out),
		COUNTER(datagrams_dropped),
		COUNTER_OF_ALL(rate_slowed),
	};
	size_t i;

	for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		uint64_t sum =
			service_sum(service, CLIENTS + counters[i].offset);

		if (counters[i].of_all)
			sum += service_sum(service,
					   OPENED + counters[i].offset);
		response_number(response, counters[i].name, sum);
	}
	response_number(
		response, "opened.lines_in",
		service_sum(service, OPENED + offsetof(struct lined_counters,
						       lines_in)));
	response_number(
		response, "opened.bytes_in",
		service_sum(service, OPENED + offsetof(struct lined_counters,
						       bytes_in)));
	response_number(
		response, "opened.bytes_out",
		service_sum(service, OPENED + offsetof(struct lined_counters,
						       bytes_out)));
}

/* Adds the greatest length that a send queue of a client has had. */
static void status_add_queue_most(const struct service *service,
				  struct response *response)
{
	uint64_t most = 0;
	size_t i;

	for (i = 0; i < service->instance_count; i++) {
		uint64_t mine = status_load(
			&service->instances[i]->group.counters.queue_most);

		if (mine > most)
			most = mine;
	}
	response_number(response, "queue_most", most);
}

static void status_add_reasons(const struct service *service,
			       struct response *response)
{
	int i;

	for (i = ADMISSION_OK + 1; i < ADMISSION_VERDICTS; i++)
		response_count(response, "refused", admission_verdict_text(i),
			       service_refused(service, i));
	response_count(
		response, "refused", "line-rate",
		admission_refused(service->datagram_admission, ADMISSION_RATE));
	for (i = 0; i < LINED_CLOSE_REASONS; i++)
		response_count(
			response, "closed", lined_close_reason_text(i),
			service_sum(service,
				    CLIENTS +
					    offsetof(struct lined_counters,
						     closed) +
					    (size_t)i * sizeof(uint64_t)));
}

static void status_add_timeouts(const struct service *service,
				struct response *response)
{
	enum timeout i;

	for (i = 0; i < TIMEOUTS; i++)
		response_count(
			response, "timeouts", timeout_key(i),
			service_sum(service,
				    offsetof(struct lined_service, timeouts) +
					    i * sizeof(uint64_t)));
}

static void status_add_handshakes(const struct service *service,
				  struct response *response)
{
	enum tls_result i;

	if (service->conf->tls_count == 0)
		return;
	for (i = TLS_OK; i < TLS_CLOSED; i++)
		response_count(
			response, "tls", client_tls_result_text(i),
			service_sum(
				service,
				offsetof(struct lined_service, tls_results) +
					(size_t)i * sizeof(uint64_t)));
	response_count(response, "tls", "refused", service->tls_refused);
	response_number(
		response, "tls_truncated",
		service_sum(service, CLIENTS + offsetof(struct lined_counters,
							tls_truncated)));
}

/* Adds the clients of each class that is counted separately. */
static void status_add_classes(const struct conf_service *conf,
			       struct response *response)
{
	size_t i;

	for (i = 0; i < conf->class_count; i++) {
		const struct conf_class *class = &conf->classes[i];

		if (class->bounds.admission.own_clients == NULL)
			continue;
		response_count(
			response, "class_clients", class->name,
			atomic_load(
				&class->bounds.admission.own_clients->clients));
	}
}

static void status_add_protocol(const struct service *service,
				struct response *response)
{
	struct instance_counter sums[INSTANCE_COUNTERS_MAX];
	size_t count = service_protocol_counters(service, sums), i;

	for (i = 0; i < count; i++)
		response_count(response, "count", sums[i].name, sums[i].value);
}

static void status_add_registry(const struct service *service,
				struct response *response)
{
	struct registry_counters counters;

	registry_count(service->registry, &counters);
	response_number(response, "registry.names", counters.names);
	response_number(response, "registry.claims", counters.claims);
	response_number(response, "registry.won", counters.won);
	response_number(response, "registry.lost", counters.lost);
}

static void status_begin_service(const struct conf_service *conf,
				 const char *state, struct response *response)
{
	const char **texts;
	size_t i;

	response_record(response, "service");
	response_text(response, "name", conf->name);
	response_text(response, "protocol", conf->protocol);
	response_text(response, "state", state);
	texts = calloc(conf->listen_count + 1, sizeof(*texts));
	if (texts == NULL) {
		response->oom = true;
		return;
	}
	for (i = 0; i < conf->listen_count; i++)
		texts[i] = conf->listen[i].text;
	response_list(response, "listen", texts, conf->listen_count);
	free(texts);
}

static void status_add_service(const struct service *service,
			       struct response *response)
{
	status_begin_service(service->conf,
			     service->draining ? "draining" : "open", response);
	response_number(response, "clients",
			admission_clients(service->admission));
	response_number(response, "clients_limit",
			conf_clients_max(service->conf));
	status_add_classes(service->conf, response);
	response_number(response, "penalties",
			penalties_count(service->penalties,
					lined_dispatcher_now_ms(
						service->env->dispatcher)));
	response_number(response, "accepted",
			admission_admitted(service->admission));
	status_add_counters(service, response);
	status_add_queue_most(service, response);
	status_add_reasons(service, response);
	status_add_timeouts(service, response);
	status_add_handshakes(service, response);
	status_add_registry(service, response);
	status_add_protocol(service, response);
}

static void status_add_drained(struct response *response,
			       const struct conf_service *drained)
{
	status_begin_service(drained, "drained", response);
}

static void status_add_services(struct control *control,
				struct response *response)
{
	struct server *server = control->server;
	struct service *service;

	list_for_each(service, &server->services, link)
		if (!service->conf->internal)
			status_add_service(service, response);
	list_for_each(service, &server->draining, link)
		if (!service->conf->internal)
			status_add_service(service, response);
	reply_each_drained(control, response, status_add_drained);
}

/* Adds the open and the draining services of this name; if there are none, the
 * drained service in the config. */
static void status_add_named(struct control *control, const char *name,
			     struct response *response)
{
	struct server *server = control->server;
	struct list *const lists[] = {&server->services, &server->draining};
	const struct conf_service *drained;
	struct service *service;
	size_t i;

	for (i = 0; i < 2; i++)
		list_for_each(service, lists[i], link)
			if (!service->conf->internal &&
			    strcmp(service->name, name) == 0)
				status_add_service(service, response);
	drained = conf_find_service(server->conf, name);
	if (response->count == 0 && drained != NULL)
		status_begin_service(drained, "drained", response);
	if (response->count == 0)
		reply_no_service(control, name, response);
}

/* ---- the verbs ----------------------------------------------------------- */

void status_run(struct control *control, struct request *request)
{
	struct response response = {.oom = false};

	status_daemon(control, &response);
	reply_last(control, request, &response);
}

void services_run(struct control *control, struct request *request)
{
	struct response response = {.oom = false};

	if (request->argument[0] == '\0')
		status_add_services(control, &response);
	else
		status_add_named(control, request->argument, &response);
	reply_last(control, request, &response);
}

void status_add_all(struct control *control, struct response *response)
{
	status_daemon(control, response);
	status_add_services(control, response);
}
