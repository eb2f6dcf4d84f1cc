/* SPDX-License-Identifier: MIT */
/*
 * The process at the other end of a UNIX socket, as it was when it connected.
 * On systems without this feature peercred_get() fails and peercred_in_group()
 * is false, so that no process gets a right.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "fail.h"

struct peercred {
	uid_t uid;
	gid_t gid;
	pid_t pid;
};

#ifdef HAVE_UCRED

/* -1 and errno: the process is unknown. */
int peercred_get(int fd, struct peercred *peer);

/* Whether the group was the process's primary or a supplementary group. */
bool peercred_in_group(int fd, const struct peercred *peer, gid_t gid);

#else

static inline int peercred_get(int fd, struct peercred *peer)
{
	(void)fd, (void)peer;
	return fail_with(ENOSYS);
}

static inline bool peercred_in_group(int fd, const struct peercred *peer,
				     gid_t gid)
{
	(void)fd, (void)peer, (void)gid;
	return false;
}

#endif
