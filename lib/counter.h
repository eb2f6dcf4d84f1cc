/* SPDX-License-Identifier: MIT */
/*
 * Counters for other threads to read: one thread writes a counter, any thread
 * may read it with a relaxed atomic load. A relaxed store writes the whole
 * value without a locked instruction.
 */
#pragma once

#include <stdint.h>

static inline void counter_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline uint64_t counter_read(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* Raises a high-water mark. */
static inline void counter_most(uint64_t *counter, uint64_t n)
{
	if (n > *counter)
		__atomic_store_n(counter, n, __ATOMIC_RELAXED);
}
