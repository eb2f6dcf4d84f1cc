/* SPDX-License-Identifier: MIT */
/*
 * The input of a socket: whose memory its bytes are in, and when they move.
 * Does not look at them.
 */
#include "config.h"

#include "input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Up to this a rest is copied to the shared buffer for each read. */
#define SMALL (16 * 1024)
#define MAX   ((uint32_t)1 << 30)

void input_clear(struct input *input)
{
	if (input->room > 0)
		free(input->data);
	input->data = NULL;
	input->off = input->end = input->room = 0;
}

/* Behind a big rest: its own memory, at least half as much again. */
static char *grow(struct input *input, size_t *size)
{
	size_t len = input_len(input);
	uint32_t room = input->room;
	char *data;

	if (input->off > 0) {
		memmove(input->data, input->data + input->off, len);
		input->off = 0;
		input->end = (uint32_t)len;
	}
	if (room - len < SMALL) {
		if (len > MAX / 2) {
			errno = ENOMEM;
			return NULL;
		}
		room = (uint32_t)(len + len / 2 + SMALL);
		data = realloc(input->data, (size_t)room + 1);
		if (data == NULL)
			return NULL;
		input->data = data;
		input->room = room;
	}
	*size = room - len;
	return input->data + len;
}

char *input_reserve(struct input *input, char *shared, size_t shared_size,
		    size_t *size)
{
	size_t len = input_len(input);

	if (len > SMALL)
		return grow(input, size);
	if (len > 0)
		memcpy(shared, input->data + input->off, len);
	input_clear(input);
	input->data = shared;
	input->end = (uint32_t)len;
	*size = shared_size - len;
	return shared + len;
}

void input_received(struct input *input, size_t len)
{
	input->end += (uint32_t)len;
}

int input_settle(struct input *input)
{
	size_t len = input_len(input);
	char *data;

	if (len == 0) {
		input_clear(input);
		return 0;
	}
	/* Memory of its own that is well filled stays as it is. */
	if (input->room > 0 && input->room <= 2 * len + SMALL)
		return 0;
	data = malloc(len + 1);
	if (data == NULL) {
		input_clear(input);
		return -1;
	}
	memcpy(data, input->data + input->off, len);
	input_clear(input);
	input->data = data;
	input->end = input->room = (uint32_t)len;
	return 0;
}
