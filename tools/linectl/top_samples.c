/* SPDX-License-Identifier: MIT */
/*
 * Computes rates as differences of counters. The records of a service or worker
 * in two answers are matched by its name. The counters of a service that was
 * started again begin at 0.
 */
#include "config.h"

#include "linectl/top_samples.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory_or_exit.h"

static void history_push(struct history *history, double value)
{
	memmove(history->values, history->values + 1,
		(SAMPLES_HISTORY - 1) * sizeof(history->values[0]));
	history->values[SAMPLES_HISTORY - 1] = value;
}

/* The growth of a counter: its whole value if it began again at 0, or if there
 * is no earlier record. */
static uint64_t counter_growth(const struct record *now,
			       const struct record *before, const char *name)
{
	uint64_t value = record_number(now, name);
	uint64_t earlier = before != NULL ? record_number(before, name) : 0;

	return value >= earlier ? value - earlier : value;
}

/* ---- finding ------------------------------------------------------------- */

/* Finds the sample with the record's name, or adds one. NULL: the sample
 * already has a record of this answer. A service that drains and its successor
 * have the same name, and the successor comes first. */
static struct sample *samples_find(struct sample **samples, size_t *count,
				   size_t *room, const struct record *record)
{
	const char *name = record_text(record, "name");
	struct sample *sample;
	size_t i = 0;

	while (i < *count && strcmp((*samples)[i].name, name) != 0)
		i++;
	if (i == *count) {
		*samples = memory_grow(*samples, *count, room, sizeof(*sample));
		memset(&(*samples)[(*count)++], 0, sizeof(*sample));
	}
	sample = &(*samples)[i];
	if (sample->now != NULL)
		return NULL;
	sample->now = record;
	sample->name = name;
	sample->clients = record_number(record, "clients");
	return sample;
}

static void samples_begin(struct sample *samples, size_t count)
{
	for (; count > 0; samples++, count--) {
		samples->before = samples->now;
		samples->now = NULL;
	}
}

/* Drops the samples that have no record in the answer. */
static void samples_drop(struct sample *samples, size_t *count)
{
	size_t from, to = 0;

	for (from = 0; from < *count; from++)
		if (samples[from].now != NULL)
			samples[to++] = samples[from];
	*count = to;
}

/* ---- services ----------------------------------------------------------- */

/* Events a second, the sum of both counters; 0 if there is no earlier record,
 * or if no time has passed. */
static double service_rate(const struct sample *service, const char *name,
			   const char *opened, uint64_t ms)
{
	uint64_t by = counter_growth(service->now, service->before, name) +
		      counter_growth(service->now, service->before, opened);

	return service->before == NULL || ms == 0
		       ? 0
		       : (double)by * 1000 / (double)ms;
}

static void service_take(struct sample *service, uint64_t ms)
{
	service->queued = record_number(service->now, "queued");
	service->drops = record_number(service->now, "sends_dropped") +
			 record_number(service->now, "datagrams_dropped");
	service->lines =
		service_rate(service, "lines_in", "opened.lines_in", ms);
	service->in = service_rate(service, "bytes_in", "opened.bytes_in", ms);
	service->out =
		service_rate(service, "bytes_out", "opened.bytes_out", ms);
	history_push(&service->history, service->lines);
}

/* ---- workers ----------------------------------------------------------- */

double samples_delay_ms(const struct record *now, const struct record *before,
			bool *more)
{
	static const char group[] = "turns_us.";
	uint64_t turns = counter_growth(now, before, "turns"), seen = 0;
	double delay = 0;
	size_t i;

	*more = true;
	for (i = 0; i < now->count; i++) {
		const char *name = now->values[i].name;
		const char *us = name + sizeof(group) - 1;

		if (strncmp(name, group, sizeof(group) - 1) != 0)
			continue;
		*more = strcmp(us, "more") == 0;
		if (!*more)
			delay = strtod(us, NULL) / 1000;
		seen += counter_growth(now, before, name);
		if (seen >= turns - turns / 100)
			break;
	}
	return delay;
}

static void worker_take(struct sample *worker, uint64_t ms)
{
	uint64_t busy_us =
		counter_growth(worker->now, worker->before, "busy_us");
	uint64_t turns = counter_growth(worker->now, worker->before, "turns");
	bool fresh = worker->before == NULL, more;

	worker->load =
		fresh || ms == 0 ? 0 : (double)busy_us / 1000 / (double)ms;
	if (worker->load > 1)
		worker->load = 1; /* a turn counts when it ends, even if it
				   * began before this period */
	worker->delay_ms =
		fresh || turns == 0
			? 0
			: samples_delay_ms(worker->now, worker->before, &more);
	history_push(&worker->history, worker->load);
	history_push(&worker->delays, worker->delay_ms);
}

/* ---- samples ----------------------------------------------------------- */

void samples_take(struct samples *samples, struct answer *answer,
		  uint64_t now_ms)
{
	uint64_t ms = samples->taken_ms > 0 ? now_ms - samples->taken_ms : 0;
	struct sample *sample;
	size_t i;

	samples_begin(samples->services, samples->service_count);
	samples_begin(samples->workers, samples->worker_count);
	for (i = 0; i < answer->count; i++) {
		const struct record *record = &answer->records[i];

		if (record_is(record, "service")) {
			sample = samples_find(&samples->services,
					      &samples->service_count,
					      &samples->service_room, record);
			if (sample != NULL)
				service_take(sample, ms);
		} else if (record_is(record, "worker")) {
			sample = samples_find(&samples->workers,
					      &samples->worker_count,
					      &samples->worker_room, record);
			if (sample != NULL)
				worker_take(sample, ms);
		}
	}
	samples_drop(samples->services, &samples->service_count);
	samples_drop(samples->workers, &samples->worker_count);
	answer_fini(&samples->answer);
	samples->answer = *answer;
	memset(answer, 0, sizeof(*answer));
	samples->taken_ms = now_ms > 0 ? now_ms : 1;
}

void samples_fini(struct samples *samples)
{
	answer_fini(&samples->answer);
	free(samples->services);
	free(samples->workers);
	memset(samples, 0, sizeof(*samples));
}

/* ---- order ------------------------------------------------------------- */

static double service_sort_value(const struct sample *service,
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
static bool service_sorts_before(const struct sample *a, const struct sample *b,
				 enum sort_key key)
{
	double left = service_sort_value(a, key),
	       right = service_sort_value(b, key);

	if (left != right)
		return left > right;
	return strcmp(a->name, b->name) < 0;
}

size_t samples_order(const struct samples *samples, const char *filter,
		     enum sort_key key, const struct sample **order)
{
	size_t count = 0, i, at;

	for (i = 0; i < samples->service_count; i++) {
		const struct sample *service = &samples->services[i];

		if (strstr(service->name, filter) == NULL &&
		    strstr(record_text(service->now, "protocol"), filter) ==
			    NULL)
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
