/* SPDX-License-Identifier: MIT */
/*
 * How many files the daemon may open, and who it is. Drops root in one step:
 * of its capabilities only that to bind ports below 1024 is kept, where the
 * system has capabilities (privileges_linux.c; privileges_posix.c elsewhere).
 */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include <stddef.h>
#include <stdint.h>

/* Raises the limit of open files to the hard limit: *limit is what it is now,
 * *before what it was. -1 and errno. */
int privileges_raise_nofile(uint64_t *before, uint64_t *limit);

/*
 * Becomes user and group (NULL: the user's own; user NULL: only the group
 * changes), for good, with the user's supplementary groups. Who is that user
 * already needs no right for it. Before other threads than the log's exist.
 * -1 and why in error, which names user or group.
 */
int privileges_drop(const char *user, const char *group, char *error,
		    size_t size);

/* ---- of each system --------------------------------------------------- */

/* Before the user changes: what is to be kept afterwards. -1 and errno. */
int privileges_keep_begin(void);
/* Afterwards: keeps it, gives up everything else. -1 and errno. */
int privileges_keep_end(void);

#endif
