/* SPDX-License-Identifier: MIT */
/*
 * Addresses as lined writes them, tcp://HOST:PORT, tls://, udp:// and
 * unix:///PATH, and free addresses on this machine. Numeric hosts and localhost
 * only: a transcript does not depend on name servers.
 */
#pragma once

#include <stdbool.h>

#include <lined/address.h>
#include <lined/socket.h>

struct net_address {
	struct lined_address to;
	bool datagram;
	bool tls;
	bool web; /* WebSocket; over TLS if tls is set, too */
};

/* -1 and a message, to be freed, in *error. */
int net_address_read(struct net_address *address, const char *url,
		     char **error);

/* A UNIX stream address; -1/ENAMETOOLONG. */
int net_address_unix(struct net_address *address, const char *path);

/*
 * Finds a loopback address with a free port. For streams, *held is a descriptor
 * that reserves the port, except for listeners with SO_REUSEADDR, until it is
 * closed; -1: the port is not reserved. -1 and errno: no such family, or no
 * free port.
 */
int net_address_free(struct net_address *address, int family, int type,
		     int *held);

/* Makes the socket use TLS once it is connected, and accept any certificate of
 * the daemon. -1 and errno. */
int net_address_use_tls(struct lined_socket *sock, unsigned timeout_ms);

/* As a URL; to be freed. */
char *net_address_url(const struct net_address *address);
