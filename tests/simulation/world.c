/* SPDX-License-Identifier: MIT */
/*
 * The random numbers of the seed, and the clock; and the functions of libc that
 * ask the system for random bytes or the time.
 */
#include "config.h"

#include "world.h"

#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* 2026-11-30 00:00:00 UTC, when the world begins. */
#define WORLD_EPOCH_S 1795996800

static struct {
	uint64_t random;
	uint64_t now_ns;
	uint64_t steps;
	bool begun;
} world;

void world_begin(uint64_t seed)
{
	world.random = seed * 0x9e3779b97f4a7c15ull + 1;
	world.now_ns = 1000 * WORLD_SECOND_NS;
	world.steps = 0;
	world.begun = true;
}

/* splitmix64 */
uint64_t world_random(void)
{
	uint64_t z = world.random += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

unsigned world_below(unsigned n)
{
	return (unsigned)(((world_random() >> 32) * n) >> 32);
}

unsigned world_between(unsigned low, unsigned high)
{
	return low + world_below(high - low + 1);
}

bool world_once_in(unsigned n)
{
	return world_below(n) == 0;
}

bool world_percent(unsigned percent)
{
	return world_below(100) < percent;
}

uint64_t world_now_ns(void)
{
	return world.now_ns;
}

void world_pass(uint64_t ns)
{
	world.now_ns += ns;
}

uint64_t world_steps(void)
{
	return world.steps;
}

void world_count_step(void)
{
	world.steps++;
}

/* ---- in place of libc ---------------------------------------------------- */

#pragma GCC visibility push(default)

int clock_gettime(clockid_t clock, struct timespec *now)
{
	uint64_t ns = world.now_ns;

	if (!world.begun || clock == CLOCK_PROCESS_CPUTIME_ID ||
	    clock == CLOCK_THREAD_CPUTIME_ID)
		return (int)syscall(SYS_clock_gettime, clock, now);
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		ns += WORLD_EPOCH_S * WORLD_SECOND_NS;
	now->tv_sec = (time_t)(ns / WORLD_SECOND_NS);
	now->tv_nsec = (long)(ns % WORLD_SECOND_NS);
	return 0;
}

time_t time(time_t *at)
{
	time_t now = (time_t)(WORLD_EPOCH_S + world.now_ns / WORLD_SECOND_NS);

	if (at != NULL)
		*at = now;
	return now;
}

ssize_t getrandom(void *buffer, size_t len, unsigned flags)
{
	unsigned char *bytes = buffer;
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = (unsigned char)(world_random() >> 56);
	return (ssize_t)len;
}

#pragma GCC visibility pop
