/* SPDX-License-Identifier: MIT */
/*
 * Penalties of a client's address (net/penalty.h). Thread: the client's worker,
 * unless a function is MT-safe.
 */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

struct conf_service;
struct lined_socket;
struct penalties;

/* Penalizes an address for a cause (a constant), unless the class has no
 * penalties, and logs the penalty. conf: the config that the calling thread
 * uses. MT-safe. */
void client_penalize_address(struct penalties *penalties,
			     const struct conf_service *conf, uint8_t class,
			     const struct sockaddr *address, uint64_t now_ms,
			     const char *cause);

/* Penalizes the client's address once, for a cause (a constant). Does nothing
 * before the client is admitted: the address may be a proxy's. */
void client_penalize(struct lined_socket *sock, const char *cause);

/* Call this when the client closes: penalizes its address if the close reason
 * is a line that is too long, or a timeout of a line or handshake. */
void client_penalize_close(struct lined_socket *sock);
