/* SPDX-License-Identifier: MIT */
/*
 * An endpoint is one internet address with a port. Opens the socket of one that
 * a service listens on, although sockets of ours may be in its way: those that
 * the service manager keeps, and those that a reload is going to close. Main
 * thread.
 */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "net/listen_address.h"

struct inherited;

/*
 * The sockets that a reload closes once all that it opens is open. An endpoint
 * that overlaps with one of them, as 127.0.0.1 does with *, is opened beside
 * it. Zeroed: none.
 */
struct closing_fds {
	int *fds; /* their listeners' */
	size_t count;
};

/* -1 and ENOMEM. */
int closing_fds_add(struct closing_fds *closing, int fd);
void closing_fds_fini(struct closing_fds *closing);

/*
 * The socket of an endpoint, bound and, of a stream, listening: taken from
 * `inherited` or opened anew. The caller's. -1 and errno.
 */
int endpoint_open(const struct listen_endpoint *endpoint, bool datagram,
		  int backlog, const struct inherited *inherited,
		  const struct closing_fds *closing);

/* Options of TCP that accepted sockets inherit: setting them once here saves
 * system calls for each client. -1 and errno. */
int endpoint_set_tcp_options(int fd);

#endif
