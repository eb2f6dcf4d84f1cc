/* SPDX-License-Identifier: MIT */
/*
 * Leavers: the sockets that a reload closes once all that it opens is open.
 * What overlaps with one of them, as 127.0.0.1 does with *, can be opened
 * beside it. Main thread.
 */
#ifndef LEAVERS_H
#define LEAVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct leavers {
	int *fds; /* the listeners' */
	size_t count;
};

void leavers_init(struct leavers *leavers);
void leavers_fini(struct leavers *leavers);

/* -1 and ENOMEM. */
int leavers_add(struct leavers *leavers, int fd);

/*
 * Whether a socket of the same user may be bound beside those at the port where
 * it asks for that, as nobody does by accident (SO_REUSEPORT). False: there is
 * none at the port.
 */
bool leavers_share_port(const struct leavers *leavers, uint16_t port,
			bool share);

#endif
