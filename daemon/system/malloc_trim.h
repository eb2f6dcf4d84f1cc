/* SPDX-License-Identifier: MIT */
/*
 * Returning free memory to the system once many clients are gone: glibc keeps
 * what lies between blocks that are in use unless it is asked.
 */
#ifndef MALLOC_TRIM_H
#define MALLOC_TRIM_H

/* Takes some milliseconds, during which other threads may wait for memory. */
#ifdef HAVE_MALLOC_TRIM
#include <malloc.h>

static inline void malloc_trim_all(void)
{
	malloc_trim(0);
}
#else
static inline void malloc_trim_all(void)
{
}
#endif

#endif
