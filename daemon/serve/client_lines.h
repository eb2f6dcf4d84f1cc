/* SPDX-License-Identifier: MIT */
/*
 * The loop that reads lines and blocks of a client and passes them to the
 * protocol, for protocols with a handle_line. Thread: the client's worker.
 */
#pragma once

#include <stddef.h>

#include <lined/socket.h>

/* The handlers of such a client; their argument is NULL at first. */
extern const struct lined_socket_handlers client_lines_handlers;

/* lined_client_expect_block(). */
int client_lines_expect_block(struct lined_socket *sock, size_t len);
