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

/* These three wait for the instances. Errors and warnings that the protocol
 * logs are reported. -1: an instance could not start. */
int service_instances_start(struct service *service, struct report *report);
void service_instances_reload(struct service *service,
			      const struct conf_service *conf,
			      struct report *report);
/* Closes the datagram sockets of the listener with this text; pointers are
 * compared. */
void service_instances_close_datagrams(struct service *service,
				       const char *listen);

/* Begins to drain all instances, and does not wait. */
void service_instances_drain(struct service *service, uint32_t timeout_ms);

/* The limits for admission in a service's config. */
struct admission_limits service_limits(const struct conf_service *conf);

/* The *count workers that serve it. */
struct worker *service_workers(const struct service *service, size_t *count);

#endif
