/* SPDX-License-Identifier: MIT */
/*
 * Reads a clock now. A dispatcher's clock (lined_dispatcher_now_ms()) says when
 * its turn began, perhaps long ago.
 */
#pragma once

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_monotonic_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000000;
}
