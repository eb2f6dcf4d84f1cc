/* SPDX-License-Identifier: MIT */
/*
 * The instances of a service, as the main thread sees them: calls to them, and
 * what they report. For service.c.
 */
#ifndef SERVICE_INSTANCES_H
#define SERVICE_INSTANCES_H

#include <stdint.h>

#include "serve/service.h"

/* One on each worker of the service; its registry is there. -1: no memory, and
 * service_instances_free() frees those that were made. */
int service_instances_make(struct service *service);
/* After they have ended. */
void service_instances_free(struct service *service);

/* These wait for every instance. What the protocol logs is reported, too. -1:
 * it could not start. */
int service_instances_start(struct service *service, struct report *report);
void service_instances_reload(struct service *service,
			      const struct conf_service *conf,
			      struct report *report);
/* Closes the datagram sockets of a listener, by its text (the pointer). */
void service_instances_close_datagrams(struct service *service,
				       const char *listen);

/* Does not wait. */
void service_instances_drain(struct service *service, uint32_t timeout_ms);

/* The limits that a service's config sets to admission. */
struct admission_limits service_limits(const struct conf_service *conf);

/* The workers that serve it, *count of them. */
struct worker *service_workers(const struct service *service, size_t *count);

#endif
