/* SPDX-License-Identifier: MIT */
/*
 * Reads the clocks of the system. lined_dispatcher_now_ms() returns the time at
 * which a turn began, which may be long ago.
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

/* The time of day, for logs. */
static inline uint64_t clock_real_ms(void)
{
	return clock_ns(CLOCK_REALTIME) / 1000000;
}

/* Converts a time of clock_monotonic_ms() for pthread_cond_timedwait(3). */
static inline struct timespec clock_timespec(uint64_t ms)
{
	return (struct timespec){
		.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000,
	};
}
