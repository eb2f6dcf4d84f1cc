/* SPDX-License-Identifier: MIT */
/*
 * Computes rates as differences of counters, matched by the names of services
 * and workers. The counters of a service that was started again begin at 0.
 */
#include "config.h"

#include "linectl/top_samples.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory_or_exit.h"

static void replace_text(char **to, const char *text)
{
	free(*to);
	*to = memory_copy(text, strlen(text));
}

static void history_push(struct history *history, double value)
{
	memmove(history->values, history->values + 1,
		(SAMPLES_HISTORY - 1) * sizeof(history->values[0]));
	history->values[SAMPLES_HISTORY - 1] = value;
}

/* The growth of a counter: its whole value if it began again at 0. */
static uint64_t counter_growth(uint64_t *before, uint64_t now)
{
	uint64_t by = now >= *before ? now - *before : now;

	*before = now;
	return by;
}

/* ---- services ----------------------------------------------------------- */

static struct service_sample *samples_service(struct samples *samples,
					      const char *name, bool *fresh)
{
	struct service_sample *service;
	size_t i;

	*fresh = false;
	for (i = 0; i < samples->service_count; i++)
		if (strcmp(samples->services[i].name, name) == 0)
			return &samples->services[i];
	*fresh = true;
	samples->services =
		memory_grow(samples->services, samples->service_count,
			    &samples->service_room, sizeof(*service));
	service = &samples->services[samples->service_count++];
	memset(service, 0, sizeof(*service));
	replace_text(&service->name, name);
	return service;
}

/* Events a second; 0 at the first sample. */
static double counter_rate(uint64_t *before, uint64_t now, uint64_t ms,
			   bool fresh)
{
	uint64_t by = counter_growth(before, now);

	return fresh || ms == 0 ? 0 : (double)by * 1000 / (double)ms;
}

static void samples_take_service(struct samples *samples,
				 const struct record *record, uint64_t ms)
{
	bool fresh;
	struct service_sample *service =
		samples_service(samples, record_text(record, "name"), &fresh);
	uint64_t lines = record_number(record, "lines_in") +
			 record_number(record, "opened.lines_in");
	uint64_t in = record_number(record, "bytes_in") +
		      record_number(record, "opened.bytes_in");
	uint64_t out = record_number(record, "bytes_out") +
		       record_number(record, "opened.bytes_out");

	/* A service that drains may have a successor of the same name. */
	if (service->seen)
		return;
	service->seen = true;
	replace_text(&service->protocol, record_text(record, "protocol"));
	replace_text(&service->state, record_text(record, "state"));
	service->clients = record_number(record, "clients");
	service->clients_limit = record_number(record, "clients_limit");
	service->queued = record_number(record, "queued");
	service->drops = record_number(record, "sends_dropped") +
			 record_number(record, "datagrams_dropped");
	service->refusals = record_sum(record, "refused");
	service->lines = counter_rate(&service->lines_before, lines, ms, fresh);
	service->in = counter_rate(&service->in_before, in, ms, fresh);
	service->out = counter_rate(&service->out_before, out, ms, fresh);
	history_push(&service->history, service->lines);
}

static void service_sample_fini(struct service_sample *service)
{
	free(service->name);
	free(service->protocol);
	free(service->state);
}

static void samples_drop_services(struct samples *samples)
{
	size_t from, to = 0;

	for (from = 0; from < samples->service_count; from++) {
		if (samples->services[from].seen)
			samples->services[to++] = samples->services[from];
		else
			service_sample_fini(&samples->services[from]);
	}
	samples->service_count = to;
}

/* ---- workers ----------------------------------------------------------- */

static struct worker_sample *samples_worker(struct samples *samples,
					    const char *name, bool *fresh)
{
	struct worker_sample *worker;
	size_t i;

	*fresh = false;
	for (i = 0; i < samples->worker_count; i++)
		if (strcmp(samples->workers[i].name, name) == 0)
			return &samples->workers[i];
	*fresh = true;
	samples->workers = memory_grow(samples->workers, samples->worker_count,
				       &samples->worker_room, sizeof(*worker));
	worker = &samples->workers[samples->worker_count++];
	memset(worker, 0, sizeof(*worker));
	replace_text(&worker->name, name);
	return worker;
}

/* The duration that 99 of 100 turns since the last sample did not exceed; the
 * largest bound if they took longer. */
static double worker_delay_ms(struct worker_sample *worker,
			      const struct record *record)
{
	static const char group[] = "turns_us.";
	uint64_t turns = counter_growth(&worker->turns_before,
					record_number(record, "turns"));
	uint64_t seen = 0;
	double delay = 0;
	bool found = false;
	size_t i;

	if (worker->lasted_before == NULL)
		worker->lasted_before =
			memory_new(record->count, sizeof(uint64_t));
	else if (worker->lasted_count != record->count)
		return 0;
	worker->lasted_count = record->count;
	for (i = 0; i < record->count; i++) {
		const struct value *value = &record->values[i];
		const char *us = value->name + sizeof(group) - 1;

		if (strncmp(value->name, group, sizeof(group) - 1) != 0)
			continue;
		seen += counter_growth(&worker->lasted_before[i],
				       value->number);
		if (found)
			continue;
		if (strcmp(us, "more") != 0)
			delay = strtod(us, NULL) / 1000;
		found = seen >= turns - turns / 100;
	}
	return turns > 0 ? delay : 0;
}

static void samples_take_worker(struct samples *samples,
				const struct record *record, uint64_t ms)
{
	bool fresh;
	struct worker_sample *worker =
		samples_worker(samples, record_text(record, "name"), &fresh);
	uint64_t busy_us = counter_growth(&worker->busy_before,
					  record_number(record, "busy_us"));
	double delay = worker_delay_ms(worker, record);

	worker->seen = true;
	worker->clients = record_number(record, "clients");
	worker->stuck = record_number(record, "stuck") != 0;
	worker->load =
		fresh || ms == 0 ? 0 : (double)busy_us / 1000 / (double)ms;
	if (worker->load > 1)
		worker->load = 1; /* a turn is counted when it ends */
	worker->delay_ms = fresh ? 0 : delay;
	history_push(&worker->loads, worker->load);
	history_push(&worker->delays, worker->delay_ms);
}

static void worker_sample_fini(struct worker_sample *worker)
{
	free(worker->name);
	free(worker->lasted_before);
}

static void samples_drop_workers(struct samples *samples)
{
	size_t from, to = 0;

	for (from = 0; from < samples->worker_count; from++) {
		if (samples->workers[from].seen)
			samples->workers[to++] = samples->workers[from];
		else
			worker_sample_fini(&samples->workers[from]);
	}
	samples->worker_count = to;
}

/* ---- samples ----------------------------------------------------------- */

static void samples_take_daemon(struct samples *samples,
				const struct record *record)
{
	replace_text(&samples->version, record_text(record, "version"));
	replace_text(&samples->state, record_text(record, "state"));
	replace_text(&samples->log_level, record_text(record, "log_level"));
	samples->uptime_s = record_number(record, "uptime_s");
	samples->clients = record_number(record, "clients");
	samples->service_total = record_number(record, "services");
}

void samples_take(struct samples *samples, const struct answer *answer,
		  uint64_t now_ms)
{
	uint64_t ms = samples->taken_ms > 0 ? now_ms - samples->taken_ms : 0;
	size_t i;

	for (i = 0; i < samples->service_count; i++)
		samples->services[i].seen = false;
	for (i = 0; i < samples->worker_count; i++)
		samples->workers[i].seen = false;
	for (i = 0; i < answer->count; i++) {
		const struct record *record = &answer->records[i];

		if (record_is(record, "daemon"))
			samples_take_daemon(samples, record);
		else if (record_is(record, "service"))
			samples_take_service(samples, record, ms);
		else if (record_is(record, "worker"))
			samples_take_worker(samples, record, ms);
	}
	samples_drop_services(samples);
	samples_drop_workers(samples);
	samples->taken_ms = now_ms > 0 ? now_ms : 1;
}

void samples_fini(struct samples *samples)
{
	size_t i;

	for (i = 0; i < samples->service_count; i++)
		service_sample_fini(&samples->services[i]);
	for (i = 0; i < samples->worker_count; i++)
		worker_sample_fini(&samples->workers[i]);
	free(samples->services);
	free(samples->workers);
	free(samples->version);
	free(samples->state);
	free(samples->log_level);
	memset(samples, 0, sizeof(*samples));
}

/* ---- order ------------------------------------------------------------- */

static double service_sort_value(const struct service_sample *service,
				 enum sort_key key)
{
	switch (key) {
	case SORT_CLIENTS:
		return (double)service->clients;
	case SORT_LINES:
		return service->lines;
	case SORT_IN:
		return service->in;
	case SORT_OUT:
		return service->out;
	case SORT_QUEUE:
		return (double)service->queued;
	case SORT_DROPS:
		return (double)service->drops;
	default:
		return 0;
	}
}

/* The largest first; equal ones by name. */
static bool service_sorts_before(const struct service_sample *a,
				 const struct service_sample *b,
				 enum sort_key key)
{
	double left = service_sort_value(a, key),
	       right = service_sort_value(b, key);

	if (left != right)
		return left > right;
	return strcmp(a->name, b->name) < 0;
}

size_t samples_order(const struct samples *samples, const char *filter,
		     enum sort_key key, const struct service_sample **order)
{
	size_t count = 0, i, at;

	for (i = 0; i < samples->service_count; i++) {
		const struct service_sample *service = &samples->services[i];

		if (strstr(service->name, filter) == NULL &&
		    strstr(service->protocol, filter) == NULL)
			continue;
		for (at = count; at > 0 && service_sorts_before(
						   service, order[at - 1], key);
		     at--)
			order[at] = order[at - 1];
		order[at] = service;
		count++;
	}
	return count;
}
