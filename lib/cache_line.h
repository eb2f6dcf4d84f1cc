/* SPDX-License-Identifier: MIT */
/*
 * Allocates memory on cache lines of its own. If two threads write to the same
 * cache line, each write has to fetch the line from the other processor.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

/* Two lines of 64 bytes: some processors fetch lines in pairs. */
#define CACHE_LINE 128

/* Allocates zeroed bytes on cache lines of their own, to be freed by free(3).
 * NULL/ENOMEM. */
static inline void *cache_line_calloc(size_t size)
{
	size_t whole = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	void *memory = aligned_alloc(CACHE_LINE, whole);

	if (memory != NULL)
		memset(memory, 0, whole);
	return memory;
}
