/* SPDX-License-Identifier: MIT */
/*
 * The address of an upstream: parses it, connects to it, and tells why that
 * failed.
 */
#ifndef RELAY_ADDRESS_H
#define RELAY_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/address.h>
#include <lined/protocol.h>

struct relay_address {
	bool tls;
	struct lined_host_port to;
	char text[LINED_HOST_MAX + 24]; /* as configured */
};

/* Reads tcp://HOST:PORT or tls://HOST:PORT; HOST may be a name. -1 and the
 * reason in error. */
int relay_address_parse(const char *text, struct relay_address *address,
			char *error, size_t size);

/* A socket that connects to the address. handle_connect or handle_close is
 * called within ten seconds. The socket has the service's group and framing; an
 * unterminated rest is dropped. NULL and errno. */
struct lined_socket *
relay_address_connect(struct lined_service *service,
		      const struct relay_address *address,
		      const struct lined_socket_handlers *handlers, void *arg);

/* To be called first in handle_connect. False, and closed: the socket is
 * connected to itself, which TCP allows on a local port that is not listened
 * on. */
bool relay_address_connected(struct lined_socket *sock);

/* Why a socket was closed, before or after it was connected. */
const char *relay_address_close_text(const struct relay_address *address,
				     enum lined_close_reason reason, int error,
				     bool connected);

/* Logs which of the configured upstreams are not served. */
void relay_address_log_unserved(struct lined_service *service,
				const struct lined_option_list *upstream);

#endif
