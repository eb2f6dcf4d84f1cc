/* SPDX-License-Identifier: MIT */
/*
 * Returns free memory to the system after many clients have gone: glibc keeps
 * free pages between allocations unless it is told to return them.
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
