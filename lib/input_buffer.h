/* SPDX-License-Identifier: MIT */
/*
 * The bytes that a socket has received and its reader has not taken. While
 * handle_read runs, these bytes usually lie in the dispatcher's read buffer,
 * which all its sockets share. Bytes that are left after handle_read move to
 * the input's own memory, which is freed when the reader has taken all bytes:
 * an idle socket has no buffer.
 *
 * `shared` is the dispatcher's read buffer, the same in every call; NULL while
 * the socket is not registered.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct input_buffer {
	char *data;        /* the shared buffer, its own memory, or NULL */
	uint32_t off, end; /* the bytes are data[off .. end) */
};

static inline size_t input_len(const struct input_buffer *input)
{
	return input->end - input->off;
}

/*
 * Returns the place for the next read, behind the bytes that are left, with
 * room for *size bytes. If few bytes are left, they move to the front of the
 * shared buffer (`shared_size` bytes, and one for a NUL). If many are left,
 * they stay in the input's own memory, which grows: otherwise a long line would
 * be copied for each packet. NULL/ENOMEM.
 */
char *input_reserve(struct input_buffer *input, char *shared,
		    size_t shared_size, size_t *size);

/* Adds the len bytes that were read to that place. */
void input_received(struct input_buffer *input, size_t len);

/* Moves the bytes in the shared buffer to the input's own memory. -1/ENOMEM:
 * the bytes are lost. */
int input_settle(struct input_buffer *input, const char *shared);

/* The size of the input's own memory. */
size_t input_memory(const struct input_buffer *input, const char *shared);

/* Drops all bytes. */
void input_clear(struct input_buffer *input, const char *shared);
