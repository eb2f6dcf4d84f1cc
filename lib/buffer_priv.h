/* SPDX-License-Identifier: MIT */
/*
 * The structure of a buffer, for the files that send or charge it: they read
 * its bytes without a function call.
 */
#pragma once

#include <stdint.h>

struct lined_buffer {
	uint32_t refs;
	uint32_t len;
	uint32_t charges; /* references of send queues and memory keepers */
	uint32_t keeps;   /* references of memory keepers (memory_ceiling.h) */
	uint32_t lines;
	const char *data;
	void (*release)(void *arg);
	void *release_arg;
};

/* The charge for a buffer besides its bytes. */
#define BUFFER_COST 56

static inline int64_t buffer_cost(const struct lined_buffer *buffer)
{
	return BUFFER_COST + (int64_t)buffer->len;
}

/* buffer_charge() counts a reference in `charges`, buffer_discharge() drops
 * one. They return the bytes to charge or to give back: buffer_cost() for the
 * first and the last reference, 0 for others. */
static inline int64_t buffer_charge(struct lined_buffer *buffer)
{
	return buffer->charges++ == 0 ? buffer_cost(buffer) : 0;
}

static inline int64_t buffer_discharge(struct lined_buffer *buffer)
{
	return --buffer->charges == 0 ? buffer_cost(buffer) : 0;
}
