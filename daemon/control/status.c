/* SPDX-License-Identifier: MIT */
/*
 * The records of the daemon, its threads and its services. All of it is the
 * main thread's own or is counted where it may be read from here: no worker is
 * asked.
 */
#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/admission.h"
#include "threads/bus.h"
#include "control/requests.h"
#include "threads/registry.h"
#include "serve/server.h"
#include "serve/service.h"
#include "turn_stats.h"

static uint64_t counted(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* ---- the daemon and its threads ----------------------------------------- */

static size_t count_services(struct server *server)
{
	struct service *service;
	size_t count = 0;

	list_for_each(service, &server->services, link)
		count += !service->conf->internal;
	return count;
}

static void add_bus(const struct bus *bus, struct answer *answer)
{
	struct bus_counters counters;

	bus_count(bus, &counters);
	answer_number(answer, "bus.published", counters.published);
	answer_number(answer, "bus.posted", counters.posts);
	answer_number(answer, "bus.refused", counters.refused);
	answer_number(answer, "bus.pauses", counters.pauses);
}

static void add_turns(const struct turn_stats *stats, struct answer *answer)
{
	/* Of a constant table: up to so many microseconds. */
	static const char *const names[TURN_STATS_BOUNDS + 1] = {
		"turns_us.100",     "turns_us.500",    "turns_us.1000",
		"turns_us.5000",    "turns_us.10000",  "turns_us.50000",
		"turns_us.100000",  "turns_us.500000", "turns_us.1000000",
		"turns_us.5000000", "turns_us.more",
	};
	unsigned i;

	answer_number(answer, "turns", counted(&stats->turns));
	answer_number(answer, "busy_us", counted(&stats->busy_ns) / 1000);
	for (i = 0; i <= TURN_STATS_BOUNDS; i++)
		answer_number(answer, names[i], counted(&stats->lasted[i]));
}

static void add_worker(const struct worker *worker, const char *name,
		       struct answer *answer)
{
	answer_record(answer, "worker");
	answer_text(answer, "name", name);
	answer_number(answer, "clients", worker->load);
	answer_flag(answer, "stuck", heartbeat_missed(worker));
	add_turns(dispatcher_turns(worker->dispatcher), answer);
}

void survey_daemon(struct control *control, struct answer *answer)
{
	struct server *server = control->server;
	char name[16];
	size_t i;

	answer_record(answer, "daemon");
	answer_text(answer, "version", PACKAGE_VERSION);
	answer_text(answer, "state", server->stopping ? "stopping" : "serving");
	control->ops->describe(control, answer);
	answer_text(answer, "poller",
		    lined_dispatcher_poller(server->dispatcher));
	answer_number(answer, "workers", server->worker_count);
	answer_number(answer, "services", count_services(server));
	answer_number(answer, "clients", server->clients);
	add_bus(server->bus, answer);
	for (i = 0; i < server->worker_count; i++) {
		snprintf(name, sizeof(name), "%u", server->workers[i].index);
		add_worker(&server->workers[i], name, answer);
	}
	if (server->own_worker == &server->main_worker)
		add_worker(&server->main_worker, "main", answer);
}

/* ---- services ------------------------------------------------------------ */

/* The sum over the workers of the counter at this place of a group. */
static uint64_t sum(const struct service *service, size_t group, size_t counter)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < service->instance_count; i++) {
		const char *instance = (const char *)service->instances[i];

		total += counted((const uint64_t *)(const void *)(instance +
								  group +
								  counter));
	}
	return total;
}

#define CLIENTS         offsetof(struct lined_service, group.counters)
#define OPENED          offsetof(struct lined_service, own_group.counters)
#define COUNTER(member) #member, offsetof(struct lined_counters, member)

static void add_counters(const struct service *service, struct answer *answer)
{
	static const struct {
		const char *name;
		size_t offset;
	} counters[] = {
		{COUNTER(lines_in)},      {COUNTER(bytes_in)},
		{COUNTER(bytes_out)},     {COUNTER(sends)},
		{COUNTER(queued)},        {COUNTER(too_long)},
		{COUNTER(bare_lf)},       {COUNTER(unterminated)},
		{COUNTER(sends_dropped)}, {COUNTER(datagrams_in)},
		{COUNTER(datagrams_out)}, {COUNTER(datagrams_dropped)},
		{COUNTER(rate_slowed)},
	};
	size_t i;

	for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		answer_number(answer, counters[i].name,
			      sum(service, CLIENTS, counters[i].offset));
	answer_number(answer, "opened.lines_in",
		      sum(service, OPENED,
			  offsetof(struct lined_counters, lines_in)));
	answer_number(answer, "opened.bytes_in",
		      sum(service, OPENED,
			  offsetof(struct lined_counters, bytes_in)));
	answer_number(answer, "opened.bytes_out",
		      sum(service, OPENED,
			  offsetof(struct lined_counters, bytes_out)));
}

/* The longest queue that a client of any worker has had. */
static void add_queue_most(const struct service *service, struct answer *answer)
{
	uint64_t most = 0;
	size_t i;

	for (i = 0; i < service->instance_count; i++) {
		uint64_t mine = counted(
			&service->instances[i]->group.counters.queue_most);

		if (mine > most)
			most = mine;
	}
	answer_number(answer, "queue_most", most);
}

static void add_reasons(const struct service *service, struct answer *answer)
{
	int i;

	for (i = ADMISSION_OK + 1; i < ADMISSION_VERDICTS; i++)
		answer_count(answer, "refused", admission_verdict_text(i),
			     admission_refused(service->admission, i));
	answer_count(
		answer, "refused", "line-rate",
		admission_refused(service->datagram_admission, ADMISSION_RATE));
	for (i = 0; i < LINED_CLOSE_REASONS; i++)
		answer_count(answer, "closed", lined_close_reason_text(i),
			     sum(service, CLIENTS,
				 offsetof(struct lined_counters, closed) +
					 (size_t)i * sizeof(uint64_t)));
}

/* The place of the protocol's counter among the first `count`, or behind. */
static size_t find_counter(const struct instance_counter *counters,
			   size_t count, const char *name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(counters[i].name, name) == 0)
			break;
	return i;
}

/* A counter has the same name on all workers, not the same place. */
static void add_protocol(const struct service *service, struct answer *answer)
{
	struct instance_counter sums[INSTANCE_COUNTERS_MAX];
	size_t count = 0, i, k, at;

	for (i = 0; i < service->instance_count; i++)
		for (k = 0; k < INSTANCE_COUNTERS_MAX; k++) {
			const struct instance_counter *counter =
				&service->instances[i]->counters[k];
			const char *name = __atomic_load_n(&counter->name,
							   __ATOMIC_ACQUIRE);

			if (name == NULL)
				break;
			at = find_counter(sums, count, name);
			if (at == INSTANCE_COUNTERS_MAX)
				continue;
			if (at == count)
				sums[count++] =
					(struct instance_counter){name, 0};
			sums[at].value += counted(&counter->value);
		}
	for (i = 0; i < count; i++)
		answer_count(answer, "count", sums[i].name, sums[i].value);
}

static void add_registry(const struct service *service, struct answer *answer)
{
	struct registry_counters counters;

	registry_count(service->registry, &counters);
	answer_number(answer, "registry.names", counters.names);
	answer_number(answer, "registry.claims", counters.claims);
	answer_number(answer, "registry.won", counters.won);
	answer_number(answer, "registry.lost", counters.lost);
}

static void add_listen(const struct conf_service *conf, struct answer *answer)
{
	const char **texts = calloc(conf->listen_count + 1, sizeof(*texts));
	size_t i;

	if (texts == NULL) {
		answer->oom = true;
		return;
	}
	for (i = 0; i < conf->listen_count; i++)
		texts[i] = conf->listen[i].text;
	answer_list(answer, "listen", texts, conf->listen_count);
	free(texts);
}

static void begin_service(const struct conf_service *conf, const char *state,
			  struct answer *answer)
{
	answer_record(answer, "service");
	answer_text(answer, "name", conf->name);
	answer_text(answer, "protocol", conf->protocol);
	answer_text(answer, "state", state);
	add_listen(conf, answer);
}

static void add_service(const struct service *service, struct answer *answer)
{
	begin_service(service->conf, service->draining ? "draining" : "open",
		      answer);
	answer_number(answer, "clients", admission_clients(service->admission));
	answer_number(answer, "clients_limit", service->conf->clients);
	answer_number(answer, "accepted",
		      admission_admitted(service->admission));
	add_counters(service, answer);
	add_queue_most(service, answer);
	add_reasons(service, answer);
	add_registry(service, answer);
	add_protocol(service, answer);
}

static bool is_wanted(const struct conf_service *conf, const char *name)
{
	return !conf->internal &&
	       (name[0] == '\0' || strcmp(conf->name, name) == 0);
}

static bool is_among(struct list *services, const char *name)
{
	struct service *service;

	list_for_each(service, services, link)
		if (!service->conf->internal &&
		    strcmp(service->name, name) == 0)
			return true;
	return false;
}

const struct conf_service *survey_drained(struct control *control, size_t *at)
{
	struct server *server = control->server;
	const struct conf *conf = server->generation->conf;

	while (*at < conf->service_count) {
		const struct conf_service *service = &conf->services[(*at)++];

		if (!service->internal &&
		    !is_among(&server->services, service->name) &&
		    !is_among(&server->draining, service->name))
			return service;
	}
	return NULL;
}

/* Those of the config that have been drained are told of, too. */
bool survey_services(struct control *control, const char *name,
		     struct answer *answer)
{
	struct server *server = control->server;
	const struct conf_service *drained;
	struct service *service;
	size_t before = answer->count, at = 0;

	list_for_each(service, &server->services, link)
		if (is_wanted(service->conf, name))
			add_service(service, answer);
	list_for_each(service, &server->draining, link)
		if (is_wanted(service->conf, name))
			add_service(service, answer);
	while ((drained = survey_drained(control, &at)) != NULL)
		if (is_wanted(drained, name))
			begin_service(drained, "drained", answer);
	return name[0] == '\0' || answer->count > before;
}
