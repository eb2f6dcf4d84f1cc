/* SPDX-License-Identifier: MIT */
/* Implements the functions of lined/bus.h that need an instance. */
#include "config.h"

#include <lined/bus.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "serve/client.h"
#include "serve/service_instance.h"
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

/* ---- topics of clients --------------------------------------------------- */

/* A client's subscription to a topic. `pending` is in the client's list, so
 * client_topic_gone() is called when the client closes. */
struct client_topic {
	struct client_pending pending;
	struct lined_subscription *subscription;
	char name[];
};

static void client_topic_gone(struct client_pending *pending)
{
	struct client_topic *topic =
		lined_container_of(pending, struct client_topic, pending);

	lined_bus_unsubscribe(topic->subscription);
	free(topic);
}

static void client_topic_send(void *arg, struct lined_buffer *message)
{
	struct client_topic *topic = arg;

	lined_socket_send_shared(topic->pending.sock, message, 0,
				 lined_buffer_len(message));
}

static struct client_topic *client_topic_find(struct lined_socket *client,
					      const char *name)
{
	struct client_pending *pending = client_of(client)->pending;
	struct client_topic *topic;

	for (; pending != NULL; pending = pending->next) {
		if (pending->gone != client_topic_gone)
			continue;
		topic = lined_container_of(pending, struct client_topic,
					   pending);
		if (strcmp(topic->name, name) == 0)
			return topic;
	}
	return NULL;
}

int lined_client_subscribe(struct lined_socket *client, const char *name)
{
	struct lined_service *instance = client_instance(client);
	size_t size = strlen(name) + 1;
	struct client_topic *topic;

	if (client_topic_find(client, name) != NULL ||
	    lined_socket_is_closed(client)) {
		errno = lined_socket_is_closed(client) ? ESHUTDOWN : EEXIST;
		return -1;
	}
	topic = malloc(sizeof(*topic) + size);
	if (topic == NULL)
		return -1;
	memcpy(topic->name, name, size);
	topic->subscription = bus_subscribe(&instance->bus, instance->bus.scope,
					    name, client_topic_send, topic);
	if (topic->subscription == NULL) {
		free(topic);
		return -1;
	}
	client_pending_begin(&topic->pending, &client_of(client)->pending,
			     client, 0, client_topic_gone);
	return 0;
}

int lined_client_unsubscribe(struct lined_socket *client, const char *name)
{
	struct client_topic *topic = client_topic_find(client, name);

	if (topic == NULL) {
		errno = ENOENT;
		return -1;
	}
	client_pending_end(&topic->pending);
	client_topic_gone(&topic->pending);
	return 0;
}

bool lined_bus_is_lagging(const struct lined_service *instance)
{
	return bus_is_lagging(&instance->bus);
}

uint64_t lined_bus_mark(struct lined_service *instance)
{
	return bus_mark(&instance->bus);
}

bool lined_bus_is_before(const struct lined_service *instance, uint64_t mark)
{
	return bus_is_before(&instance->bus, mark);
}

bool lined_bus_is_elsewhere(const struct lined_service *instance)
{
	return bus_is_elsewhere(&instance->bus);
}

struct lined_shared *lined_shared_get(struct lined_service *instance,
				      const char *name, size_t size)
{
	return bus_shared_get(&instance->bus, name, size);
}
