/* SPDX-License-Identifier: MIT */
/*
 * The class of a client, which decides its limits. Thread: the client's worker.
 */
#pragma once

#include <stdint.h>

struct conf_service;
struct lined_service;
struct lined_socket;

/* Sets the class of a client in its instance's group: its limits apply at once,
 * and its send-stall to the kernel's time-out, too. */
void client_set_class(struct lined_socket *sock, uint8_t class);

/* Sets the kernel's time-out by send-stall; without effect on other sockets
 * than TCP. A new client has the time-out of the listener, by the service's own
 * send-stall. */
void client_set_user_timeout(struct lined_socket *sock);

/* The instance has a new config with other classes: finds the class of each
 * client again. */
void client_classes_changed(struct lined_service *instance,
			    const struct conf_service *before);
