/* SPDX-License-Identifier: MIT */
/*
 * Makes a bus with an end for each worker, and sums their counters. With one
 * worker, the bus has one end and no backend: publishing to this node copies no
 * message and takes no lock.
 */
#include "config.h"

#include "threads/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "counter.h"
#include "dispatcher_watch.h"
#include "log/log.h"
#include "threads/bus_priv.h"

static struct bus_end *bus_end_new(struct bus *bus, struct worker *worker,
				   uint64_t seed)
{
	struct bus_end *end = cache_line_calloc(sizeof(*end));

	if (end == NULL)
		return NULL;
	if (bus_topics_init(&end->topics, seed) < 0) {
		free(end);
		return NULL;
	}
	end->worker = worker;
	end->bus = bus;
	bus_queue_init(end);
	bus_hold_init(end);
	bus_budget_init(&end->budget);
	return end;
}

static void bus_end_free(struct bus_end *end)
{
	bus_queue_fini(end);
	bus_topics_fini(&end->topics);
	free(end);
}

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

void bus_count(const struct bus *bus, struct bus_counters *counters)
{
	size_t i;

	*counters = (struct bus_counters){0};
	for (i = 0; i < bus->count; i++) {
		const struct bus_end *end = bus->ends[i];

		counters->published += counter_read(&end->published);
		counters->refused += counter_read(&end->refused);
		counters->pauses += counter_read(&end->pauses);
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

/* ---- for backends ------------------------------------------------------- */

uint64_t bus_end_allowance(const struct bus_end *end)
{
	return bus_budget_allowance(&end->budget);
}

void bus_end_attach_uplink(struct bus_end *end, const struct bus_uplink *uplink,
			   void *link)
{
	end->uplink = uplink;
	end->uplink_link = link;
}

void bus_end_set_elsewhere(struct bus_end *end, bool on)
{
	end->elsewhere = on;
}

int bus_end_topic_name(const struct bus_end *end, struct bus_topic_name *name,
		       uint64_t scope, const char *topic)
{
	return bus_topic_name(&end->topics, name, scope, topic);
}
