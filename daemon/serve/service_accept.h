/* SPDX-License-Identifier: MIT */
/*
 * Accepts connections for a service, admits or refuses them, and places them on
 * a worker, where they become clients of an instance. Main thread.
 */
#pragma once

#include <stddef.h>

#include <lined/socket.h>

#include "net/admission.h"

struct client_arrival;
struct listener;
struct service;
struct worker;

/* The handlers of a listener's sockets; their argument is the listener. */
extern const struct lined_socket_handlers service_accept_handlers;

/* Accepts the connections in the queue of a listener that is about to close:
 * otherwise the kernel would reset them. */
void service_accept_last(struct listener *listener);

/* Clients on that worker have closed: no longer counts them. */
void service_clients_left(struct service *service, struct worker *worker,
			  unsigned count);

/* Whether a client of the address may come in, by access and limits; a refusal
 * is counted and logged. OK: it is counted, with *entry and *class. */
enum admission_verdict service_admit(struct service *service,
				     const struct sockaddr *address,
				     struct admission_entry **entry,
				     uint8_t *class);
