/* SPDX-License-Identifier: MIT */
/*
 * Who is at the other end of a UNIX socket: the process that connected, as it
 * was then. One file a system; where the system does not say, nobody is.
 */
#ifndef CREDENTIALS_H
#define CREDENTIALS_H

#include <stdbool.h>
#include <sys/types.h>

struct credentials {
	uid_t uid;
	gid_t gid;
	pid_t pid;
};

/* -1 and errno: it is not known. */
int credentials_get(int fd, struct credentials *credentials);

/* Whether it was in the group, by its own or by a supplementary one. */
bool credentials_in_group(int fd, const struct credentials *credentials,
			  gid_t gid);

#endif
