/* SPDX-License-Identifier: MIT */
/*
 * Reads lines and blocks of a client and passes them to the protocol, for
 * protocols with a handle_line. Thread: the client's worker.
 */
#pragma once

#include <stddef.h>

#include <lined/socket.h>

/* The socket handlers of such a client; `arg` is NULL unless a block is
 * expected. */
extern const struct lined_socket_handlers client_lines_handlers;

/* Implements lined_client_expect_block(). */
int client_lines_expect_block(struct lined_socket *sock, size_t len);
