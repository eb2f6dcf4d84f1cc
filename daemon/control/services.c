/* SPDX-License-Identifier: MIT */
/*
 * Builds the records of the services: clients, counters, refusals, names. All
 * values belong to the main thread or are atomic counters, so the records can
 * be built while a worker is stuck.
 */
#include "config.h"

#include "control/verbs.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "control/service_search.h"
#include "counter.h"
#include "net/admission.h"
#include "net/penalty.h"
#include "serve/client_log.h"
#include "serve/client_tls.h"
#include "serve/server.h"
#include "serve/service.h"
#include "threads/registry.h"

#define CLIENTS(member) offsetof(struct lined_service, group.counters.member)
#define OPENED(member)  offsetof(struct lined_service, own_group.counters.member)
#define COUNTER(member)                                                        \
	{                                                                      \
#member, CLIENTS(member), 0                                    \
	}
/* Also counts connections that the protocol opened. */
#define COUNTER_OF_ALL(member)                                                 \
	{                                                                      \
#member, CLIENTS(member), OPENED(member)                       \
	}
#define COUNTER_OPENED(member)                                                 \
	{                                                                      \
		"opened." #member, OPENED(member), 0                           \
	}

static void services_add_counters(const struct service *service,
				  struct response *response)
{
	/* The offsets of one or two counters to add up; second 0: only one. */
	static const struct {
		const char *name;
		size_t first, second;
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
		COUNTER_OPENED(lines_in),
		COUNTER_OPENED(bytes_in),
		COUNTER_OPENED(bytes_out),
	};
	size_t i;

	for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		uint64_t sum = service_sum(service, counters[i].first);

		if (counters[i].second != 0)
			sum += service_sum(service, counters[i].second);
		response_number(response, counters[i].name, sum);
	}
}

/* Adds the greatest length that a client's send queue has ever had. */
static void services_add_queue_most(const struct service *service,
				    struct response *response)
{
	uint64_t most = 0;
	size_t i;

	for (i = 0; i < service->instance_count; i++) {
		uint64_t mine = counter_read(
			&service->instances[i]->group.counters.queue_most);

		if (mine > most)
			most = mine;
	}
	response_number(response, "queue_most", most);
}

static void services_add_reasons(const struct service *service,
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
				    CLIENTS(closed) +
					    (size_t)i * sizeof(uint64_t)));
}

static void services_add_timeouts(const struct service *service,
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

static void services_add_handshakes(const struct service *service,
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
	response_number(response, "tls_truncated",
			service_sum(service, CLIENTS(tls_truncated)));
}

/* Adds the clients of each class that is counted separately. */
static void services_add_classes(const struct conf_service *conf,
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

static void services_add_protocol(const struct service *service,
				  struct response *response)
{
	struct instance_counter sums[INSTANCE_COUNTERS_MAX];
	size_t count = service_protocol_counters(service, sums), i;

	for (i = 0; i < count; i++)
		response_count(response, "count", sums[i].name, sums[i].value);
}

static void services_add_registry(const struct service *service,
				  struct response *response)
{
	struct registry_counters counters;

	registry_count(service->registry, &counters);
	response_number(response, "registry.names", counters.names);
	response_number(response, "registry.claims", counters.claims);
	response_number(response, "registry.won", counters.won);
	response_number(response, "registry.lost", counters.lost);
}

static void services_begin_service(const struct conf_service *conf,
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

static void services_add_service(const struct service *service,
				 struct response *response)
{
	services_begin_service(service->conf,
			       service->draining ? "draining" : "open",
			       response);
	response_number(response, "clients",
			admission_clients(service->admission));
	response_number(response, "clients_limit",
			conf_clients_max(service->conf));
	services_add_classes(service->conf, response);
	response_number(response, "penalties",
			penalties_count(service->penalties,
					lined_dispatcher_now_ms(
						service->env->dispatcher)));
	response_number(response, "accepted",
			admission_admitted(service->admission));
	services_add_counters(service, response);
	services_add_queue_most(service, response);
	services_add_reasons(service, response);
	services_add_timeouts(service, response);
	services_add_handshakes(service, response);
	services_add_registry(service, response);
	services_add_protocol(service, response);
}

static void services_add_drained(struct response *response,
				 const struct conf_service *drained)
{
	services_begin_service(drained, "drained", response);
}

void services_add_all(struct control *control, struct response *response)
{
	struct service *service = NULL;

	while ((service = server_next_service(control->server, service)) !=
	       NULL)
		services_add_service(service, response);
	service_search_drained(control, response, services_add_drained);
}

/* Adds the open and the draining services of this name. If there are none, adds
 * the service of this name in the config, which was drained. */
static void services_add_named(struct control *control, const char *name,
			       struct response *response)
{
	const struct conf_service *drained =
		conf_find_service(control->server->conf, name);
	struct service *service = NULL;

	while ((service = server_next_service(control->server, service)) !=
	       NULL)
		if (strcmp(service->name, name) == 0)
			services_add_service(service, response);
	if (response->count == 0 && drained != NULL)
		services_begin_service(drained, "drained", response);
	if (response->count == 0)
		service_search_failed(control, name, response);
}

void services_run(struct control *control, struct request *request)
{
	struct response response = {.oom = false};

	if (request->argument[0] == '\0')
		services_add_all(control, &response);
	else
		services_add_named(control, request->argument, &response);
	request_finish(request, &response);
}
