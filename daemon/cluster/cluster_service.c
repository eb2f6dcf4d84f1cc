/* SPDX-License-Identifier: MIT */
/*
 * The services of this node that are in the cluster. A new service is listed
 * ahead of a draining one of the same name.
 */
#include "config.h"

#include "cluster/cluster_priv.h"

#include <stdlib.h>
#include <string.h>

#include "cluster/broker_escape.h"

struct cluster_service *cluster_find_service(const struct cluster *cluster,
					     const char *name, size_t len)
{
	struct cluster_service *service;

	list_for_each(service, &cluster->services, link)
		if (service->shown && strncmp(service->name, name, len) == 0 &&
		    service->name[len] == '\0')
			return service;
	return NULL;
}

bool cluster_service_is_primary(const struct cluster_service *service)
{
	return cluster_is_primary(service->cluster) &&
	       cluster_find_service(service->cluster, service->name,
				    strlen(service->name)) == service;
}

struct cluster_service *cluster_add(struct cluster *cluster, const char *name,
				    uint64_t scope, struct registry *registry)
{
	struct cluster_service *service =
		calloc(1, sizeof(*service) + 3 * strlen(name) + 2);
	const struct cluster_service *before =
		cluster_find_service(cluster, name, strlen(name));

	if (service == NULL)
		return NULL;
	service->name = strdup(name);
	if (service->name == NULL) {
		free(service);
		return NULL;
	}
	service->cluster = cluster;
	service->scope = before != NULL ? before->scope : scope;
	service->registry = registry;
	strcpy(broker_escape(service->prefix, name), ".");
	registry->backend_link = service;
	list_append(cluster->services.next, &service->link);
	return service;
}

uint64_t cluster_scope(const struct cluster_service *service)
{
	return service->scope;
}

void cluster_show(struct cluster_service *service)
{
	service->shown = true;
	names_move(&service->cluster->names, service->prefix);
}

void cluster_tell_shown(struct cluster *cluster)
{
	cluster_changed(cluster);
}

void cluster_remove(struct cluster_service *service)
{
	struct cluster *cluster;

	if (service == NULL)
		return;
	cluster = service->cluster;
	list_remove(&service->link);
	if (cluster_find_service(cluster, service->name,
				 strlen(service->name)) == NULL)
		names_end(&cluster->names, service->prefix);
}

void cluster_service_freed(void *link)
{
	struct cluster_service *service = link;

	if (service == NULL)
		return;
	free(service->name);
	free(service);
}
