/* SPDX-License-Identifier: MIT */
/*
 * Accepts connections for a service, admits or refuses them, and chooses a
 * worker, where they become clients of an instance. Main thread.
 */
#pragma once

#include <lined/socket.h>

#include "net/admission.h"

struct listener;
struct service;
struct worker;

/* The handlers of a listener's sockets; their argument is the listener. */
extern const struct lined_socket_handlers service_accept_handlers;

/* Accepts what is queued at a listener that is about to close: otherwise the
 * kernel would reset these connections. */
void service_accept_last(struct listener *listener);

/* Call this when clients on this worker have closed: they no longer count. */
void service_clients_left(struct service *service, struct worker *worker,
			  unsigned count);

/* Whether access and limits admit a client from the address; a refusal is
 * counted and logged. ADMISSION_OK: the client is counted, and *entry and
 * *class are set. */
enum admission_verdict service_admit(struct service *service,
				     const struct sockaddr *address,
				     struct admission_entry **entry,
				     uint8_t *class);
