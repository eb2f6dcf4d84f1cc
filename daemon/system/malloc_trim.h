/* SPDX-License-Identifier: MIT */
/*
 * Returns free memory to the system: glibc keeps free pages between
 * allocations unless it is told to return them.
 */
#pragma once

#include <stdint.h>

/*
 * malloc_used_bytes(): the bytes that are allocated now; 0: unknown.
 * malloc_trim_all() takes some milliseconds. Other threads may wait for memory
 * meanwhile.
 */
#if defined(HAVE_MALLOC_TRIM) && defined(HAVE_MALLINFO2)
#include <malloc.h>

static inline uint64_t malloc_used_bytes(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static inline void malloc_trim_all(void)
{
	malloc_trim(0);
}
#else
static inline uint64_t malloc_used_bytes(void)
{
	return 0;
}

static inline void malloc_trim_all(void)
{
}
#endif
