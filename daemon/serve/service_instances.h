/* SPDX-License-Identifier: MIT */
/*
 * The calls between a service on the main thread and its instances. For
 * service.c.
 */
#ifndef SERVICE_INSTANCES_H
#define SERVICE_INSTANCES_H

#include <stdint.h>

#include "serve/service.h"

/* Makes an instance on each worker of the service, which has its registry
 * already. -1: no memory; service_instances_free() frees those that were
 * made. */
int service_instances_make(struct service *service);
/* To be called after they have ended. */
void service_instances_free(struct service *service);

/* Begins to drain all instances, and does not wait. */
void service_instances_drain(struct service *service, uint32_t timeout_ms);

/* The limits for admission in a service's config. */
struct admission_limits service_limits(const struct conf_service *conf);

/* The *count workers that serve it. */
struct worker *service_workers(const struct service *service, size_t *count);

#endif
