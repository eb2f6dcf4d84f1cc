/* SPDX-License-Identifier: MIT */
/*
 * Clients of protocols with a handle_line: the loop that reads lines and blocks
 * and calls the protocol. Thread: the client's worker.
 */
#ifndef CLIENT_LINES_H
#define CLIENT_LINES_H

#include <stddef.h>

#include <lined/socket.h>

/* The handlers of such a client; its argument begins as NULL. */
extern const struct lined_socket_handlers client_lines_handlers;

/* lined_client_expect_block(). */
int client_lines_expect_block(struct lined_socket *sock, size_t len);

#endif
