/* SPDX-License-Identifier: MIT */
/*
 * An endpoint is one internet address with a port. Opens the socket that
 * listens on it, even if sockets of lined occupy the port: stored ones that the
 * service manager keeps, or those that a reload is about to close. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "net/listen_address.h"

struct inherited;

/* The sockets that a reload closes after it has opened all new ones. An
 * endpoint that overlaps with one of them, as 127.0.0.1 does with *, is opened
 * beside it. Zeroed: none. */
struct closing_fds {
	int *fds; /* not owned: their listeners close them */
	size_t count;
};

/* Notes a descriptor. -1 and errno: ENOMEM. */
int closing_fds_add(struct closing_fds *closing, int fd);
void closing_fds_fini(struct closing_fds *closing);

/* Returns a bound socket, listening if it is a stream: taken from `inherited`
 * or opened anew. The caller closes it. -1 and errno. */
int endpoint_open(const struct listen_endpoint *endpoint, bool datagram,
		  int backlog, const struct inherited *inherited,
		  const struct closing_fds *closing);

/* Options of TCP that accepted sockets inherit: setting them once here saves
 * system calls for each client. -1 and errno. */
int endpoint_set_tcp_options(int fd);
