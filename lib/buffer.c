/* SPDX-License-Identifier: MIT */
/*
 * Counts references to bytes (lined/buffer.h). Copied bytes follow the
 * structure in the same allocation; wrapped bytes stay where they are.
 */
#include "config.h"

#include <lined/buffer.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer_priv.h"
#include "fail.h"

#define MAX_LEN ((size_t)1 << 30)

struct lined_buffer *lined_buffer_alloc(size_t len, char **data)
{
	struct lined_buffer *buffer;

	if (len > MAX_LEN)
		return fail_null(EOVERFLOW);
	buffer = malloc(sizeof(*buffer) + len);
	if (buffer == NULL)
		return NULL;
	buffer->refs = 1;
	buffer->charges = buffer->keeps = 0;
	buffer->lines = 1;
	buffer->len = (uint32_t)len;
	buffer->release = NULL;
	buffer->release_arg = NULL;
	buffer->data = (char *)(buffer + 1);
	if (data != NULL)
		*data = (char *)(buffer + 1);
	return buffer;
}

struct lined_buffer *lined_buffer_new(const void *data, size_t len)
{
	char *room;
	struct lined_buffer *buffer = lined_buffer_alloc(len, &room);

	if (buffer != NULL && len > 0)
		memcpy(room, data, len);
	return buffer;
}

struct lined_buffer *lined_buffer_vprintf(const char *format, va_list args)
{
	struct lined_buffer *buffer;
	char *text;
	int len = vasprintf(&text, format, args);

	if (len < 0)
		return NULL;
	buffer = lined_buffer_wrap(text, (size_t)len, free, text);
	if (buffer == NULL)
		free(text);
	return buffer;
}

struct lined_buffer *lined_buffer_printf(const char *format, ...)
{
	struct lined_buffer *buffer;
	va_list args;

	va_start(args, format);
	buffer = lined_buffer_vprintf(format, args);
	va_end(args);
	return buffer;
}

struct lined_buffer *lined_buffer_wrap(const void *data, size_t len,
				       void (*release)(void *arg), void *arg)
{
	struct lined_buffer *buffer;

	if (len > MAX_LEN)
		return fail_null(EOVERFLOW);
	buffer = lined_buffer_alloc(0, NULL);
	if (buffer == NULL)
		return NULL;
	buffer->data = data;
	buffer->len = (uint32_t)len;
	buffer->release = release;
	buffer->release_arg = arg;
	return buffer;
}

struct lined_buffer *lined_buffer_ref(struct lined_buffer *buffer)
{
	buffer->refs++;
	return buffer;
}

void lined_buffer_unref(struct lined_buffer *buffer)
{
	if (buffer == NULL || --buffer->refs > 0)
		return;
	if (buffer->release != NULL)
		buffer->release(buffer->release_arg);
	free(buffer);
}

const char *lined_buffer_data(const struct lined_buffer *buffer)
{
	return buffer->data;
}

size_t lined_buffer_len(const struct lined_buffer *buffer)
{
	return buffer->len;
}

void lined_buffer_set_lines(struct lined_buffer *buffer, unsigned lines)
{
	buffer->lines = lines;
}

unsigned lined_buffer_lines(const struct lined_buffer *buffer)
{
	return buffer->lines;
}
