/* SPDX-License-Identifier: MIT */
/* Returns free memory to the system: without a call glibc keeps free pages. */
#pragma once

#include <stdint.h>

/*
 * malloc_used_bytes(): bytes allocated now; 0: unknown. malloc_trim_all() takes
 * some milliseconds, in which other threads may wait for memory.
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
