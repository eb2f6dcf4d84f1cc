/* SPDX-License-Identifier: MIT */
/*
 * The class of a client, which decides its limits. Thread: the client's worker.
 */
#pragma once

#include <stdint.h>

struct conf_service;
struct lined_service;
struct lined_socket;

/* Sets the class of a client. The limits of the class apply at once. Also calls
 * client_set_user_timeout(). */
void client_set_class(struct lined_socket *sock, uint8_t class);

/* Sets the user timeout of TCP, as listener_set_send_stall() does for
 * listeners. Sockets that are not TCP are left alone. A connection inherits the
 * user timeout of its listener. The inherited value is old if a reload came
 * while the connection waited in the kernel's queue or for its PROXY header. */
void client_set_user_timeout(struct lined_socket *sock);

/* Call this when the instance has a new config: finds the class of each client
 * again. */
void client_classes_changed(struct lined_service *instance,
			    const struct conf_service *before);
