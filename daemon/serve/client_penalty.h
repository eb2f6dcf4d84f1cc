/* SPDX-License-Identifier: MIT */
/*
 * Penalties of a client's address (net/penalty.h). Thread: the client's worker.
 */
#pragma once

struct lined_socket;

/* Penalizes the client's address once, for a cause (a constant). Does nothing
 * before the client is admitted: the address may be a proxy's. */
void client_penalize(struct lined_socket *sock, const char *cause);

/* The client closes: penalizes its address if the close reason is a cause for
 * it. */
void client_penalize_close(struct lined_socket *sock);
