/* SPDX-License-Identifier: MIT */
/*
 * Uses SO_PEERCRED and SO_PEERGROUPS of Linux: what the kernel recorded at
 * connect(2). Databases of users and groups are not read, because they may be
 * remote and slow.
 */
#include "config.h"

#include "system/peercred.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "fail.h"

/* In Linux since 4.13; older C libraries do not define it. */
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

#define GROUPS_MAX 65536

int peercred_get(int fd, struct peercred *peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int family = 0;
	socklen_t family_len = sizeof(family);

	/* SO_PEERCRED also succeeds on internet sockets, with an empty result.
	 */
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &family_len) < 0)
		return -1;
	if (family != AF_UNIX)
		return fail_with(EOPNOTSUPP);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -1;
	peer->uid = cred.uid;
	peer->gid = cred.gid;
	peer->pid = cred.pid;
	return 0;
}

/* The supplementary groups, which the caller frees; NULL: unknown. */
static gid_t *peercred_groups(int fd, size_t *count)
{
	socklen_t len = 64 * sizeof(gid_t), before = 0;
	gid_t *groups = NULL, *more;

	/* On ERANGE the kernel sets len to the size it needs. */
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

bool peercred_in_group(int fd, const struct peercred *peer, gid_t gid)
{
	size_t count = 0, i;
	bool found = peer->gid == gid;
	gid_t *groups;

	if (found)
		return true;
	groups = peercred_groups(fd, &count);
	for (i = 0; i < count && !found; i++)
		found = groups[i] == gid;
	free(groups);
	return found;
}
