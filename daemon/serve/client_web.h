/* SPDX-License-Identifier: MIT */
/*
 * The handshake of a client of a ws:// or wss:// address: its request is read
 * and answered, with the upgrade, the page, or an error. Thread: the client's
 * worker.
 */
#pragma once

struct client_arrival;
struct client_web;
struct lined_socket;

/* The state of the handshake. NULL/ENOMEM. */
struct client_web *client_web_new(const struct client_arrival *arrival);
/* Also when the client has closed before; NULL is fine. */
void client_web_free(struct client_web *web);

/* Begins it; the state is the argument of the socket's handlers. The client's
 * TLS handshake, if any, has ended. -1/ENOMEM. */
int client_web_begin(struct lined_socket *sock);
