/* SPDX-License-Identifier: MIT */
/*
 * The functions of lined/bus.h.
 */
#include "config.h"

#include <lined/bus.h>

#include "serve/instance.h"
#include "threads/bus.h"

int lined_bus_publish(struct lined_service *instance, const char *topic,
		      struct lined_buffer *message)
{
	return bus_publish(&instance->bus, instance->bus.scope, topic, message);
}

int lined_bus_publish_shared(struct lined_service *instance, const char *shared,
			     struct lined_buffer *message)
{
	return bus_publish(&instance->bus, BUS_SHARED, shared, message);
}

struct lined_subscription *
lined_bus_subscribe(struct lined_service *instance, const char *topic,
		    void (*handler)(void *arg, struct lined_buffer *message),
		    void *arg)
{
	return bus_subscribe(&instance->bus, instance->bus.scope, topic,
			     handler, arg);
}

struct lined_subscription *lined_bus_subscribe_shared(
	struct lined_service *instance, const char *shared,
	void (*handler)(void *arg, struct lined_buffer *message), void *arg)
{
	return bus_subscribe(&instance->bus, BUS_SHARED, shared, handler, arg);
}

bool lined_bus_is_lagging(const struct lined_service *instance)
{
	return bus_member_is_held(&instance->bus);
}

void lined_bus_unsubscribe(struct lined_subscription *subscription)
{
	bus_unsubscribe(subscription);
}

uint64_t lined_bus_mark(struct lined_service *instance)
{
	return bus_mark(&instance->bus);
}

bool lined_bus_is_before(const struct lined_service *instance, uint64_t mark)
{
	return bus_is_before(&instance->bus, mark);
}
