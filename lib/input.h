/* SPDX-License-Identifier: MIT */
/*
 * The bytes that a socket has received and its reader has not taken. While
 * handle_read runs they usually lie in the dispatcher's read buffer, which all
 * its sockets share. The rest is moved afterwards to memory of the input's own,
 * which is freed when it is used up: an idle socket has no buffer.
 *
 * `shared` is that read buffer, the same in every call; NULL while the socket
 * is not registered.
 */
#ifndef INPUT_H
#define INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input {
	char *data;        /* the shared buffer, its own memory, or NULL */
	uint32_t off, end; /* the bytes are data[off .. end) */
};

static inline size_t input_len(const struct input *input)
{
	return input->end - input->off;
}

/*
 * Returns where the next read goes, behind the bytes that are left, and room
 * for *size bytes. A short rest is moved to the front of the shared buffer
 * (`shared_size` bytes, and one for a NUL). A long rest stays in the input's
 * own memory, which grows, so that a long line is not copied for each packet.
 * NULL/ENOMEM.
 */
char *input_reserve(struct input *input, char *shared, size_t shared_size,
		    size_t *size);

/* len bytes were read to that place. */
void input_received(struct input *input, size_t len);

/* Leaves the shared buffer: what is in it is moved to memory of the input's
 * own. -1/ENOMEM: the bytes are lost. */
int input_settle(struct input *input, const char *shared);

/* Drops all bytes. */
void input_clear(struct input *input, const char *shared);

#endif
