/* SPDX-License-Identifier: MIT */
/*
 * Memory on cache lines of its own. If two threads often write to the same
 * cache line, the processors take it from each other with every write.
 */
#ifndef CACHE_LINE_H
#define CACHE_LINE_H

#include <stdlib.h>
#include <string.h>

/* Two of 64 bytes: some processors fetch them in pairs. */
#define CACHE_LINE 128

/* Zeroed bytes on cache lines of their own, for free(3). NULL/ENOMEM. */
static inline void *cache_line_calloc(size_t size)
{
	size_t whole = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	void *memory = aligned_alloc(CACHE_LINE, whole);

	if (memory != NULL)
		memset(memory, 0, whole);
	return memory;
}

#endif
