/* SPDX-License-Identifier: MIT */
/*
 * Lists the transports: their names, families and types.
 */
#include "config.h"

#include "linetest/transport.h"

#include <string.h>
#include <sys/socket.h>

const struct transport_info transports[TRANSPORTS] = {
	[TRANSPORT_UNIX] = {"unix", AF_UNIX, SOCK_STREAM, false, false},
	[TRANSPORT_TCP] = {"tcp", AF_INET, SOCK_STREAM, false, false},
	[TRANSPORT_TCP6] = {"tcp6", AF_INET6, SOCK_STREAM, false, false},
	[TRANSPORT_UDP] = {"udp", AF_INET, SOCK_DGRAM, false, false},
	[TRANSPORT_UDP6] = {"udp6", AF_INET6, SOCK_DGRAM, false, false},
	[TRANSPORT_TLS] = {"tls", AF_INET, SOCK_STREAM, true, false},
	[TRANSPORT_WS] = {"ws", AF_INET, SOCK_STREAM, false, true},
	[TRANSPORT_WSS] = {"wss", AF_INET, SOCK_STREAM, true, true},
};

enum transport transport_find(const char *name, size_t len)
{
	unsigned i;

	for (i = 0; i < TRANSPORTS; i++)
		if (strlen(transports[i].name) == len &&
		    memcmp(transports[i].name, name, len) == 0)
			break;
	return (enum transport)i;
}
