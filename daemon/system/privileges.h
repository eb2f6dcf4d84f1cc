/* SPDX-License-Identifier: MIT */
/*
 * The limit of open files and the change of user. All rights of root are
 * dropped in one step, except that on Linux the capability to bind ports below
 * 1024 is kept.
 */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

/* Raises the limit of open files to the hard limit, from *before to *limit. -1
 * and errno. */
int privileges_raise_nofile(uint64_t *before, uint64_t *limit);

/*
 * Becomes user and group for good, with the user's supplementary groups. group
 * NULL: the user's own group; user NULL: only the group changes. A process that
 * runs as this user already needs no rights. To be called while there is no
 * other thread than that of the log. -1 and the reason in error, which names
 * user or group.
 */
int privileges_drop(const char *user, const char *group, char *error,
		    size_t size);

/* ---- Linux -------------------------------------------------------------- */

#ifdef HAVE_CAPABILITIES

/* No program that this thread executes, nor any thread that it makes later,
 * gets more rights than it has: no_new_privs of prctl(2). -1 and errno. */
int privileges_no_new(void);

/* To be called before the user changes: keeps the capabilities over setuid(2).
 * -1 and errno. */
int privileges_keep_begin(void);
/* To be called after it: keeps only that of low ports. -1 and errno. */
int privileges_keep_end(void);

/* The calling thread, which is not root's, gives up the right to bind ports
 * below 1024. -1 and errno. */
int privileges_give_up_ports(void);

#else

static inline int privileges_no_new(void)
{
	errno = ENOSYS;
	return -1;
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
