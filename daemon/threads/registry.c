/* SPDX-License-Identifier: MIT */
/*
 * Makes and frees the registry of a service, and sums its counters.
 * registry_replica.c has a worker's copy of the names, registry_claim.c the
 * claims of clients, registry_arbiter.c decides who wins.
 */
#include "config.h"

#include "threads/registry.h"

#include <stdlib.h>
#include <string.h>

#include "counter.h"

struct registry *registry_new(struct worker *workers, size_t count,
			      size_t primary,
			      const struct registry_backend *backend)
{
	struct registry *registry;
	size_t i;

	registry = calloc(1, sizeof(*registry) +
				     count * sizeof(registry->replicas[0]));
	if (registry == NULL)
		return NULL;
	atomic_init(&registry->refs, 1);
	registry->backend = backend;
	registry->count = count;
	registry->primary = primary;
	for (i = 0; i < count; i++) {
		struct registry_replica *replica = &registry->replicas[i];

		replica->registry = registry;
		replica->worker = &workers[i];
		name_set_init(&replica->names);
		list_init(&replica->watches);
	}
	return registry;
}

void registry_unref(struct registry *registry)
{
	if (registry == NULL ||
	    atomic_fetch_sub_explicit(&registry->refs, 1,
				      memory_order_acq_rel) != 1)
		return;
	if (registry->backend->freed != NULL)
		registry->backend->freed(registry->backend_link);
	free(registry);
}

void registry_count(const struct registry *registry,
		    struct registry_counters *sum)
{
	size_t i;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < registry->count; i++) {
		const struct registry_counters *counters =
			&registry->replicas[i].counters;

		sum->claims += counter_read(&counters->claims);
		sum->won += counter_read(&counters->won);
		sum->lost += counter_read(&counters->lost);
		sum->taken += counter_read(&counters->taken);
	}
	sum->names = counter_read(
		&registry->replicas[registry->primary].counters.names);
}
