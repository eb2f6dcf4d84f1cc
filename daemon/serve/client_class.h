/* SPDX-License-Identifier: MIT */
/*
 * The class of a client, which decides its limits. Thread: the client's worker.
 */
#pragma once

#include <stdint.h>

struct conf_service;
struct lined_service;
struct lined_socket;

/* Sets the class of a client. The limits of the class apply at once. If its
 * send-stall differs from the service's, it also becomes the user timeout of
 * TCP. */
void client_set_class(struct lined_socket *sock, uint8_t class);

/* Sets the user timeout of TCP to send-stall. Other sockets are left alone. A
 * new client inherits the listener's user timeout, which is the service's
 * send-stall. */
void client_set_user_timeout(struct lined_socket *sock);

/* Call this when the instance has a new config: finds the class of each client
 * again. */
void client_classes_changed(struct lined_service *instance,
			    const struct conf_service *before);
