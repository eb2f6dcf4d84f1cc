/* SPDX-License-Identifier: MIT */
/*
 * Allocates and moves the input of a socket; does not look at the bytes.
 */
#include "config.h"

#include "input_buffer.h"

#include <stdlib.h>
#include <string.h>

#include <lined/timer.h>

#include "fail.h"

/* Up to this many bytes that the reader has not taken are copied to the shared
 * buffer for each read. */
#define SMALL (16 * 1024)
#define MAX   ((uint32_t)1 << 30)

/* The input's own memory. Its size is stored here and not in struct
 * input_buffer: most inputs have no own memory. */
struct own {
	uint32_t room; /* without the byte for a NUL */
	char data[];
};

/* Returns the input's own memory; NULL: it has none. */
static struct own *input_own(const struct input_buffer *input,
			     const char *shared)
{
	if (input->data == NULL || input->data == shared)
		return NULL;
	return lined_container_of(input->data, struct own, data);
}

/* Changes the size and keeps the bytes; own may be NULL. NULL/ENOMEM. */
static struct own *own_resize(struct own *own, size_t room)
{
	own = realloc(own, sizeof(*own) + room + 1);
	if (own != NULL)
		own->room = (uint32_t)room;
	return own;
}

size_t input_memory(const struct input_buffer *input, const char *shared)
{
	const struct own *own = input_own(input, shared);

	return own != NULL ? sizeof(*own) + own->room : 0;
}

void input_clear(struct input_buffer *input, const char *shared)
{
	free(input_own(input, shared));
	input->data = NULL;
	input->off = input->end = 0;
}

/* Makes room for a read behind more than SMALL bytes. If fewer than SMALL bytes
 * are free, the input's own memory grows by half. */
static char *input_grow_own(struct input_buffer *input, const char *shared,
			    size_t *size)
{
	struct own *own = input_own(input, shared);
	size_t len = input_len(input);

	if (input->off > 0) {
		memmove(input->data, input->data + input->off, len);
		input->off = 0;
		input->end = (uint32_t)len;
	}
	if (own->room - len < SMALL) {
		if (len > MAX / 2)
			return fail_null(ENOMEM);
		own = own_resize(own, len + len / 2 + SMALL);
		if (own == NULL)
			return NULL;
		input->data = own->data;
	}
	*size = own->room - len;
	return input->data + len;
}

char *input_reserve(struct input_buffer *input, char *shared,
		    size_t shared_size, size_t *size)
{
	size_t len = input_len(input);

	if (len > SMALL)
		return input_grow_own(input, shared, size);
	if (len > 0)
		memcpy(shared, input->data + input->off, len);
	input_clear(input, shared);
	input->data = shared;
	input->end = (uint32_t)len;
	*size = shared_size - len;
	return shared + len;
}

void input_received(struct input_buffer *input, size_t len)
{
	input->end += (uint32_t)len;
}

int input_settle(struct input_buffer *input, const char *shared)
{
	struct own *own = input_own(input, shared);
	size_t len = input_len(input);

	if (len == 0) {
		input_clear(input, shared);
		return 0;
	}
	/* Own memory that is not much larger than its bytes stays as it is. */
	if (own != NULL && own->room <= 2 * len + SMALL)
		return 0;
	own = own_resize(NULL, len);
	if (own == NULL) {
		input_clear(input, shared);
		return -1;
	}
	memcpy(own->data, input->data + input->off, len);
	input_clear(input, shared);
	input->data = own->data;
	input->end = (uint32_t)len;
	return 0;
}
