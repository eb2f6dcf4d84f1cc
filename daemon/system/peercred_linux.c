/* SPDX-License-Identifier: MIT */
/*
 * SO_PEERCRED and SO_PEERGROUPS: what the kernel noted at connect(2). Nothing
 * is asked of the system's databases, which might take their time.
 */
#include "config.h"

#include "system/peercred.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Linux 4.13; older C libraries do not name it. */
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

#define GROUPS_MAX 65536

int credentials_get(int fd, struct credentials *credentials)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int family = 0;
	socklen_t family_len = sizeof(family);

	/* Others than UNIX sockets answer too, with nobody in it. */
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &family_len) < 0)
		return -1;
	if (family != AF_UNIX) {
		errno = EOPNOTSUPP;
		return -1;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -1;
	credentials->uid = peer.uid;
	credentials->gid = peer.gid;
	credentials->pid = peer.pid;
	return 0;
}

/* The groups, *count of them; NULL: they are not known. */
static gid_t *peer_groups(int fd, size_t *count)
{
	socklen_t len = 64 * sizeof(gid_t), before = 0;
	gid_t *groups = NULL, *more;

	/* Where it does not fit the kernel says how much would. */
	while (len > before && len <= GROUPS_MAX * sizeof(gid_t)) {
		more = realloc(groups, len);
		if (more == NULL)
			break;
		groups = more;
		before = len;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) ==
		    0) {
			*count = len / sizeof(gid_t);
			return groups;
		}
		if (errno != ERANGE)
			break;
	}
	free(groups);
	return NULL;
}

bool credentials_in_group(int fd, const struct credentials *credentials,
			  gid_t gid)
{
	size_t count = 0, i;
	bool found = credentials->gid == gid;
	gid_t *groups;

	if (found)
		return true;
	groups = peer_groups(fd, &count);
	for (i = 0; i < count && !found; i++)
		found = groups[i] == gid;
	free(groups);
	return found;
}
