/* SPDX-License-Identifier: MIT */
/*
 * The structure of a buffer, for the files that send it: they read its bytes
 * without a function call.
 */
#ifndef BUFFER_PRIV_H
#define BUFFER_PRIV_H

#include <stdint.h>

struct lined_buffer {
	uint32_t refs;
	uint32_t len;
	uint32_t queued; /* the segments of send queues that refer to it */
	uint32_t lines;
	const char *data;
	void (*release)(void *arg);
	void *release_arg;
};

#endif
