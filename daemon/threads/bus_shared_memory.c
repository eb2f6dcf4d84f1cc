/* SPDX-License-Identifier: MIT */
/*
 * Memory that instances on all workers share by name (lined/bus.h). The list is
 * part of the bus, which all workers have in common.
 */
#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "threads/bus_priv.h"

struct lined_shared {
	struct list link; /* bus.shared */
	struct bus *bus;
	size_t uses, size;
	char *name;
	pthread_mutex_t mutex;
	max_align_t data[];
};

static struct lined_shared *shared_new(struct bus *bus, const char *name,
				       size_t size)
{
	struct lined_shared *shared = calloc(1, sizeof(*shared) + size);

	if (shared == NULL)
		return NULL;
	shared->name = strdup(name);
	if (shared->name == NULL) {
		free(shared);
		return NULL;
	}
	shared->bus = bus;
	shared->size = size;
	pthread_mutex_init(&shared->mutex, NULL);
	list_append(&bus->shared, &shared->link);
	return shared;
}

static struct lined_shared *shared_find(struct bus *bus, const char *name)
{
	struct lined_shared *shared;

	list_for_each(shared, &bus->shared, link)
		if (strcmp(shared->name, name) == 0)
			return shared;
	return NULL;
}

struct lined_shared *bus_shared_get(const struct bus_member *member,
				    const char *name, size_t size)
{
	struct bus *bus = member->end->bus;
	struct lined_shared *shared;

	pthread_mutex_lock(&bus->shared_mutex);
	shared = shared_find(bus, name);
	if (shared == NULL) {
		shared = shared_new(bus, name, size);
	} else if (shared->size != size) {
		errno = EINVAL;
		shared = NULL;
	}
	if (shared != NULL)
		shared->uses++;
	pthread_mutex_unlock(&bus->shared_mutex);
	return shared;
}

void lined_shared_put(struct lined_shared *shared, void (*fini)(void *data))
{
	struct bus *bus;
	bool last;

	if (shared == NULL)
		return;
	bus = shared->bus;
	pthread_mutex_lock(&bus->shared_mutex);
	last = --shared->uses == 0;
	if (last)
		list_remove(&shared->link);
	pthread_mutex_unlock(&bus->shared_mutex);
	if (!last)
		return;
	if (fini != NULL)
		fini(shared->data);
	pthread_mutex_destroy(&shared->mutex);
	free(shared->name);
	free(shared);
}

void *lined_shared_lock(struct lined_shared *shared)
{
	pthread_mutex_lock(&shared->mutex);
	return shared->data;
}

void lined_shared_unlock(struct lined_shared *shared)
{
	pthread_mutex_unlock(&shared->mutex);
}
