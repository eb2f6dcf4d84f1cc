/* SPDX-License-Identifier: MIT */
/*
 * Accepts connections for a service, admits or refuses them, and places them on
 * a worker, where they become clients of an instance. Main thread.
 */
#ifndef SERVICE_ACCEPT_H
#define SERVICE_ACCEPT_H

#include <stddef.h>

#include <lined/socket.h>

struct admission_entry;
struct client_arrival;
struct listener;
struct service;
struct worker;

/* For the sockets of a listener, which is their argument. */
extern const struct lined_socket_handlers service_accept_handlers;

/*
 * Hands an admitted client, or a datagram socket, over to the instance on that
 * worker, with its descriptor. Without memory it is closed, which is logged.
 */
void service_place(struct service *service, size_t worker,
		   const struct client_arrival *arrival);

/* Accepts the connections that wait when the listener is about to close: they
 * stay, as its other clients do. */
void service_accept_last(struct listener *listener);

/* A client that was placed has gone; it is no longer counted. */
void service_client_left(struct service *service, struct worker *worker,
			 struct admission_entry *entry);

#endif
