/* SPDX-License-Identifier: MIT */
/*
 * The limit of open files and the change of user. All rights of root are
 * dropped in one step; on Linux the capability to bind ports below 1024 is
 * kept.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fail.h"

/* Raises the limit of open files to the hard limit, from *before to *limit. -1
 * and errno. */
int privileges_raise_nofile(uint64_t *before, uint64_t *limit);

/*
 * Becomes user and group for good, with the user's supplementary groups. group
 * NULL: the user's own group; user NULL: only the group changes. A process that
 * already runs as this user and group needs no rights for this call. Only the
 * log's thread may exist besides this one. -1 and the reason in error, with the
 * name of user or group.
 */
int privileges_drop(const char *user, const char *group, char *error,
		    size_t size);

/*
 * The rights of a user and a group. Before privileges_drop() root takes these
 * rights for a while, to test which files the user may read. Main thread, in a
 * process without other threads. NULL: the process does not run as root; user
 * is NULL or root; user or group is unknown; or there is no memory.
 */
struct privileges_visit;
struct privileges_visit *privileges_visit_new(const char *user,
					      const char *group);
void privileges_visit_free(struct privileges_visit *visit); /* NULL is fine */

/* Takes these rights until privileges_visit_end(). False: visit is NULL, or
 * this process may not change its user; nothing has changed. */
bool privileges_visit_begin(const struct privileges_visit *visit);
void privileges_visit_end(const struct privileges_visit *visit);

/* ---- Linux -------------------------------------------------------------- */

#ifdef HAVE_CAPABILITIES

/* Sets no_new_privs of prctl(2): programs executed by this thread, and threads
 * created by it, cannot gain rights. -1 and errno. */
int privileges_no_new(void);

/* Call this before the user changes: keeps the capabilities over setuid(2). -1
 * and errno. */
int privileges_keep_begin(void);
/* Call this after the user has changed: keeps only the capability for low
 * ports. -1 and errno. */
int privileges_keep_end(void);

/* The calling thread gives up the right to bind ports below 1024, unless it
 * runs as root. -1 and errno. */
int privileges_give_up_ports(void);

#else

static inline int privileges_no_new(void)
{
	return fail_with(ENOSYS);
}

static inline int privileges_keep_begin(void)
{
	return 0;
}

static inline int privileges_keep_end(void)
{
	return 0;
}

static inline int privileges_give_up_ports(void)
{
	return 0;
}

#endif
