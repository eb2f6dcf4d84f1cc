/* SPDX-License-Identifier: MIT */
/*
 * Finds out whether a connection to an address would reach one of lined's own
 * listeners.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "net/listen_address.h"

/*
 * Whether one of these listeners accepts what is sent to the address: the
 * listener's address is the same, or the listener is open on all addresses of
 * this host and the address is one of them. type: SOCK_STREAM or SOCK_DGRAM.
 * Addresses of systemd's sockets are not compared. MT-safe.
 */
bool own_address_listens(const struct listen_address *listen, size_t count,
			 const struct sockaddr *address, int type);
