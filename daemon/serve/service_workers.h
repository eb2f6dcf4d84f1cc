/* SPDX-License-Identifier: MIT */
/*
 * Makes, drains and frees the instances of a service, on the main thread. For
 * service.c and instance_calls.c.
 */
#pragma once

#include <stdint.h>

#include "serve/service.h"

/* Makes an instance on each worker of the service. The service must have its
 * registry. -1: no memory; service_instances_free() must then free the
 * instances already made. */
int service_instances_make(struct service *service);
/* Call this after the instances have ended. */
void service_instances_free(struct service *service);

/* Starts draining all instances; does not wait. */
void service_instances_drain(struct service *service, uint32_t timeout_ms);

/* Makes the TLS contexts for an instance. NULL: conf has no `tls`, or no
 * memory. */
struct tls_server *service_make_tls(const struct service *service,
				    const struct lined_service *instance,
				    const struct conf_service *conf);

/* The workers that run the service; *count: how many. */
struct worker *service_workers(const struct service *service, size_t *count);
