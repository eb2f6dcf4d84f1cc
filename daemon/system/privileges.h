/* SPDX-License-Identifier: MIT */
/*
 * The limit of open files, and the user. Root's rights are dropped in one step;
 * on Linux the capability to bind ports below 1024 is kept.
 */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include <stddef.h>
#include <stdint.h>

/* Raises the limit of open files to the hard limit, from *before to *limit. -1
 * and errno. */
int privileges_raise_nofile(uint64_t *before, uint64_t *limit);

/*
 * Becomes user and group for good, with the user's supplementary groups. group
 * NULL: the user's own; user NULL: only the group changes. A process that is
 * this user already needs no right for it. To be called before other threads
 * than the log's exist. -1 and why in error, which names user or group.
 */
int privileges_drop(const char *user, const char *group, char *error,
		    size_t size);

/* ---- capabilities ------------------------------------------------------ */

#ifdef HAVE_CAPABILITIES

/* Before the user changes: the capability to keep. -1 and errno. */
int privileges_keep_begin(void);
/* After it: drops all other capabilities. -1 and errno. */
int privileges_keep_end(void);

#else

static inline int privileges_keep_begin(void)
{
	return 0;
}

static inline int privileges_keep_end(void)
{
	return 0;
}

#endif

#endif
