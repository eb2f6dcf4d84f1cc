/* SPDX-License-Identifier: MIT */
/*
 * Sockets that are about to be closed, and how others come beside them.
 */
#include "config.h"

#include "net/leavers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <lined/address.h>

void leavers_init(struct leavers *leavers)
{
	memset(leavers, 0, sizeof(*leavers));
}

void leavers_fini(struct leavers *leavers)
{
	free(leavers->fds);
}

int leavers_add(struct leavers *leavers, int fd)
{
	int *fds = realloc(leavers->fds, (leavers->count + 1) * sizeof(*fds));

	if (fds == NULL)
		return -1;
	leavers->fds = fds;
	fds[leavers->count++] = fd;
	return 0;
}

static bool is_at(int fd, uint16_t port)
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);

	return getsockname(fd, (struct sockaddr *)&own, &len) == 0 &&
	       own.ss_family != AF_UNIX &&
	       lined_address_port((struct sockaddr *)&own) == port;
}

bool leavers_share_port(const struct leavers *leavers, uint16_t port,
			bool share)
{
	int on = share;
	bool any = false;
	size_t i;

	for (i = 0; i < leavers->count; i++)
		any |= is_at(leavers->fds[i], port) &&
		       setsockopt(leavers->fds[i], SOL_SOCKET, SO_REUSEPORT,
				  &on, sizeof(on)) == 0;
	return any;
}
