/* SPDX-License-Identifier: MIT */
/*
 * The HTTP handshake on a ws:// or wss:// address: reads the client's request
 * and answers with the upgrade, the page, or an error. Thread: the client's
 * worker.
 */
#pragma once

struct client_arrival;
struct client_web;
struct lined_socket;

/* Makes the state of the handshake. NULL/ENOMEM. */
struct client_web *client_web_new(const struct client_arrival *arrival);
/* Frees the state; a pending struct client_ask loses its socket. NULL is fine.
 */
void client_web_free(struct client_web *web);

/* Begins the handshake, after the TLS handshake if there is one. The socket's
 * handlers get the state as their argument. -1/ENOMEM. */
int client_web_begin(struct lined_socket *sock);
