/* SPDX-License-Identifier: MIT */
/* Penalties given by a service (net/penalty.h). */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

struct conf_service;
struct service;

/* Penalizes the address of a connection that was closed for cause, unless the
 * class has no penalties, and logs the penalty. conf: the calling thread's;
 * cause: a constant. MT-safe. */
void service_penalize(const struct service *service,
		      const struct conf_service *conf, uint8_t class,
		      const struct sockaddr *address, uint64_t now_ms,
		      const char *cause);

/* Applies a new config to the penalties. Main thread. */
void service_revise_penalties(struct service *service);
