/* SPDX-License-Identifier: MIT */
/*
 * The way into a service: connections are accepted, admitted or refused, and
 * placed on a worker. From there on a client is its instance's. Main thread.
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

/* Of the sockets of a listener, which is their arg. */
extern const struct lined_socket_handlers service_accept_handlers;

/*
 * Hands a client that was admitted, or a datagram socket, to the instance on
 * that worker. The descriptor goes with it; where it cannot be handed over it
 * is closed, which is logged.
 */
void service_place(struct service *service, size_t worker,
		   const struct client_arrival *arrival);

/* Accepts those who connected before the listener closes: they stay, as the
 * others do who came by it. */
void service_accept_last(struct listener *listener);

/* A client that was placed has ended, and counts no more. */
void service_client_left(struct service *service, struct worker *worker,
			 struct admission_entry *entry);

#endif
