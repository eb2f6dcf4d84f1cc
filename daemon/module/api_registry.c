/* SPDX-License-Identifier: MIT */
/* Implements the functions of lined/registry.h that need an instance. */
#include "config.h"

#include <lined/registry.h>

#include "serve/client.h"
#include "serve/service_instance.h"
#include "threads/registry.h"

int lined_registry_claim(struct lined_service *instance,
			 struct lined_socket *client, const char *name,
			 const void *value, size_t value_len,
			 void (*claimed)(struct lined_socket *client, void *arg,
					 bool won),
			 void *arg)
{
	struct client *owner = client_of(client);

	return registry_claim(&instance->registry, client, &owner->pending,
			      owner->id, name, value, value_len, claimed, arg);
}

void lined_registry_release(struct lined_service *instance,
			    struct lined_socket *client, const char *name)
{
	registry_release(client_of(client)->pending, name);
}

void lined_registry_list(struct lined_service *instance, const char *prefix,
			 void (*visit)(const struct lined_registry_entry *entry,
				       void *arg),
			 void *arg)
{
	registry_list(&instance->registry, prefix, visit, arg);
}

bool lined_registry_find(struct lined_service *instance, const char *name,
			 struct lined_registry_entry *entry)
{
	return registry_find(&instance->registry, name, entry);
}

struct lined_registry_watch *
lined_registry_watch(struct lined_service *instance, const char *prefix,
		     void (*changed)(const struct lined_registry_entry *entry,
				     bool here, void *arg),
		     void *arg)
{
	return registry_watch(&instance->registry, prefix, changed, arg);
}

void lined_registry_on_taken(struct lined_service *instance,
			     void (*taken)(struct lined_socket *client,
					   const char *name, void *arg),
			     void *arg)
{
	registry_on_taken(&instance->registry, taken, arg);
}
