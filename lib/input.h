/* SPDX-License-Identifier: MIT */
/*
 * What a socket has received and nobody has taken yet. While its handle_read
 * runs the bytes usually lie in the dispatcher's read buffer, borrowed; what
 * is left afterwards moves to memory of the socket's own, which is freed when
 * used up, so that an idle socket holds none.
 *
 * `shared` is always the same buffer for an input, NULL where it has none now.
 */
#ifndef INPUT_H
#define INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input {
	char *data;        /* the shared buffer, its own memory, or NULL */
	uint32_t off, end; /* what is left is data[off .. end) */
};

static inline size_t input_len(const struct input *input)
{
	return input->end - input->off;
}

/*
 * Where the next read goes, *size bytes of it; what is left is before it. A
 * small rest moves to the front of the shared buffer (`shared_size` bytes and
 * one in reserve); behind a big one its own memory grows, so that a long line
 * is not copied again for each packet. NULL/ENOMEM.
 */
char *input_reserve(struct input *input, char *shared, size_t shared_size,
		    size_t *size);

/* len bytes were read there. */
void input_received(struct input *input, size_t len);

/* Returns the shared buffer: what is left moves to memory of its own.
 * -1/ENOMEM: it is lost. */
int input_settle(struct input *input, const char *shared);

/* Forgets all. */
void input_clear(struct input *input, const char *shared);

#endif
