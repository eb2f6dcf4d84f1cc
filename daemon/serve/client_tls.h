/* SPDX-License-Identifier: MIT */
/*
 * The TLS handshakes of clients. Thread: the client's worker.
 */
#ifndef CLIENT_TLS_H
#define CLIENT_TLS_H

struct lined_socket;

/* lined_client_start_tls(). */
int client_start_tls(struct lined_socket *sock);

#endif
