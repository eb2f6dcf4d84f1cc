/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes addresses as lined does (tcp://HOST:PORT, unix:///PATH and
 * so on), finds free addresses on this machine, and makes the sockets that
 * connect to an address or listen on it. Numeric hosts and localhost only: a
 * transcript does not depend on name servers.
 */
#pragma once

#include <lined/address.h>
#include <lined/dispatcher.h>
#include <lined/socket.h>

#include "linetest/transport.h"

struct net_address {
	struct lined_address to;
	/* After net_address_read(), TRANSPORT_TCP and TRANSPORT_UDP also stand
	 * for IPv6. */
	enum transport transport;
};

/* -1 and a message, to be freed, in *error. */
int net_address_read(struct net_address *address, const char *url,
		     char **error);

/* Makes a UNIX stream address. -1 and ENAMETOOLONG: the path is too long. */
int net_address_unix(struct net_address *address, const char *path);

/*
 * Finds a loopback address with a free port, for any transport but UNIX. For
 * streams, *held becomes a descriptor that reserves the port until it is
 * closed: only listeners with SO_REUSEADDR can bind the port meanwhile. *held
 * becomes -1 if the port cannot be reserved. held may be NULL. Returns -1 and
 * errno if there is no such family, or no free port.
 */
int net_address_free(struct net_address *address, enum transport transport,
		     int *held);

/* As a URL; to be freed. */
char *net_address_url(const struct net_address *address);

/* A new socket without limits, which stays open when its peer half-closes. NULL
 * and errno. */
struct lined_socket *
net_address_socket(const struct lined_socket_handlers *handlers, void *arg);

/* Starts to connect a stream, with TLS if the transport has it; any certificate
 * is accepted. -1 and errno. */
int net_address_connect(const struct net_address *address,
			struct lined_socket *sock);

/* Returns a registered listener for streams; NULL and errno. */
struct lined_socket *
net_address_listen(const struct net_address *address,
		   struct lined_dispatcher *d,
		   const struct lined_socket_handlers *handlers, void *arg);
