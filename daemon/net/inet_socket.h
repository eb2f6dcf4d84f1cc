/* SPDX-License-Identifier: MIT */
/*
 * An endpoint is one internet address with a port. Opens a socket on an
 * endpoint, even if sockets of lined still occupy the port: sockets stored by
 * the service manager, or sockets that a reload is about to close. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "net/listen_address.h"

struct inherited;

/* The sockets that a reload closes after it has opened all new ones. A new
 * endpoint may overlap with one of these sockets, as 127.0.0.1 does with *. All
 * zero: no sockets. */
struct closing_fds {
	int *fds; /* not owned: their listeners close them */
	size_t count;
};

/* Adds a descriptor. -1 and errno: ENOMEM. */
int closing_fds_add(struct closing_fds *closing, int fd);
void closing_fds_fini(struct closing_fds *closing);

/* Returns a bound socket from `inherited`, or a new one; a stream socket also
 * listens. The caller closes it. -1 and errno. */
int inet_socket_open(const struct listen_endpoint *endpoint, bool datagram,
		     int backlog, const struct inherited *inherited,
		     const struct closing_fds *closing);

/* Sets TCP options that accepted sockets inherit: setting them once here saves
 * system calls for each client. -1 and errno. */
int inet_socket_set_tcp_options(int fd);
