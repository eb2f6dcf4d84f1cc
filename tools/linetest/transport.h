/* SPDX-License-Identifier: MIT */
/*
 * The transports by which a client reaches a server, by their names in a
 * transcript.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum transport {
	TRANSPORT_UNIX,
	TRANSPORT_TCP,
	TRANSPORT_TCP6,
	TRANSPORT_UDP,
	TRANSPORT_UDP6,
	TRANSPORT_TLS,
	TRANSPORT_WS,
	TRANSPORT_WSS,
	TRANSPORTS,
};

struct transport_info {
	const char *name;
	int family, type; /* as in socket(2) */
	bool tls;
	bool web; /* WebSocket; over TLS if tls is set, too */
};

extern const struct transport_info transports[TRANSPORTS];

/* Returns TRANSPORTS if none has this name, of len bytes. */
enum transport transport_find(const char *name, size_t len);
