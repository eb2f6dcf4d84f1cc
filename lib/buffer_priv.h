/* SPDX-License-Identifier: MIT */
/*
 * The inside of a buffer, for the send queue, which appends small sends to a
 * buffer that nobody else holds. Not for anyone else.
 */
#ifndef BUFFER_PRIV_H
#define BUFFER_PRIV_H

#include <stdint.h>

struct lined_buffer {
	uint32_t refs;
	uint32_t len;
	const char *data;
	void (*release)(void *arg);
	void *release_arg;
};

#endif
