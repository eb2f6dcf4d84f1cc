/* SPDX-License-Identifier: MIT */
/*
 * The instances of a service, made, drained and freed on the main thread. For
 * service.c and service_calls.c.
 */
#pragma once

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

/* The contexts of its `tls` for an instance. NULL: it has no `tls`, or there is
 * no memory. */
struct tls_server *service_make_tls(const struct service *service,
				    const struct lined_service *instance,
				    const struct conf_service *conf);

/* The limits for admission in a service's config. */
struct admission_limits service_limits(const struct conf_service *conf);

/* The *count workers that serve it. */
struct worker *service_workers(const struct service *service, size_t *count);
