/* SPDX-License-Identifier: MIT */
/*
 * Makes the ends of a bus and sums their counters. With one worker the bus has
 * one end and no backend: it copies no messages and takes no lock.
 */
#include "config.h"

#include "threads/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "dispatcher_watch.h"
#include "log/log.h"
#include "threads/bus_priv.h"

struct bus *bus_new(struct worker *workers, size_t count)
{
	struct bus *bus = cache_line_calloc(sizeof(*bus));
	uint64_t seed;
	int error;

	if (bus == NULL)
		return NULL;
	list_init(&bus->shared);
	pthread_mutex_init(&bus->shared_mutex, NULL);
	bus->ends = calloc(count, sizeof(struct bus_end *));
	if (bus->ends == NULL ||
	    getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		goto fail;
	for (; bus->count < count; bus->count++) {
		struct bus_end *end =
			bus_end_new(bus, &workers[bus->count], seed);

		if (end == NULL)
			goto fail;
		bus->ends[bus->count] = end;
		workers[bus->count].bus = end;
	}
	return bus;
fail:
	error = errno;
	bus_free(bus);
	errno = error;
	return NULL;
}

void bus_free(struct bus *bus)
{
	size_t i;

	if (bus == NULL)
		return;
	for (i = 0; i < bus->count; i++)
		bus_end_free(bus->ends[i]);
	pthread_mutex_destroy(&bus->shared_mutex);
	free(bus->ends);
	free(bus);
}

/* An atomic read: the worker may write the counter at the same time. */
static uint64_t bus_counter(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void bus_count(const struct bus *bus, struct bus_counters *counters)
{
	size_t i;

	*counters = (struct bus_counters){0};
	for (i = 0; i < bus->count; i++) {
		const struct bus_end *end = bus->ends[i];

		counters->published += bus_counter(&end->published);
		counters->refused += bus_counter(&end->refused);
		counters->pauses += bus_counter(&end->pauses);
		counters->wakeups +=
			dispatcher_wakeups(end->worker->dispatcher);
		if (end->backend != NULL)
			counters->posts +=
				end->backend->posts(end->backend_link);
	}
}

void bus_log_counters(const struct bus *bus)
{
	struct bus_counters counters;

	bus_count(bus, &counters);
	if (counters.published == 0)
		return;
	log_notice("bus: published %llu, posted to workers %llu, wakeups %llu, "
		   "refused %llu, pauses %llu",
		   (unsigned long long)counters.published,
		   (unsigned long long)counters.posts,
		   (unsigned long long)counters.wakeups,
		   (unsigned long long)counters.refused,
		   (unsigned long long)counters.pauses);
}
