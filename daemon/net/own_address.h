/* SPDX-License-Identifier: MIT */
/*
 * Finds out whether a connection to an address would reach a listener of one's
 * own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "net/listen_address.h"

/*
 * Whether one of these listeners accepts what is sent to the address: it
 * listens there, or on all addresses of this host, and this is one. type:
 * SOCK_STREAM or SOCK_DGRAM. The addresses of systemd's sockets are not known
 * here. MT-safe.
 */
bool own_address_listens(const struct listen_address *listen, size_t count,
			 const struct sockaddr *address, int type);
