/* SPDX-License-Identifier: MIT */
/*
 * Multicast: tells which addresses are groups, and lets a datagram socket join
 * a group. Closing the socket leaves the group.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "net/listen_address.h"

/* Whether the endpoint's address is a group: 224.0.0.0/4, ff00::/8. */
bool multicast_is_group(const struct listen_endpoint *endpoint);

/*
 * Joins the endpoint's group, with the endpoint's source and interface if they
 * are set, on a socket that is bound to the group. The socket does not receive
 * messages to groups that only other programs have joined. -1 and why in error.
 */
int multicast_join(int fd, const struct listen_endpoint *endpoint, char *error,
		   size_t size);
