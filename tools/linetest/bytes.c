/* SPDX-License-Identifier: MIT */
/*
 * Growing runs of bytes. Grows by half, never shrinks.
 */
#include "config.h"

#include "linetest/bytes.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *there(void *memory)
{
	if (memory == NULL) {
		fputs("linetest: out of memory\n", stderr);
		exit(2);
	}
	return memory;
}

void *memory_get(size_t size)
{
	return there(calloc(1, size));
}

void *memory_resize(void *old, size_t count, size_t size)
{
	return there(count > SIZE_MAX / size ? NULL
					     : realloc(old, count * size));
}

char *memory_copy(const char *text, size_t len)
{
	char *copy = memory_get(len + 1);

	if (len > 0)
		memcpy(copy, text, len);
	return copy;
}

void bytes_fini(struct bytes *bytes)
{
	free(bytes->data);
	memset(bytes, 0, sizeof(*bytes));
}

void bytes_clear(struct bytes *bytes)
{
	bytes->len = 0;
	if (bytes->data != NULL)
		bytes->data[0] = '\0';
}

/* Room for len bytes more, and a NUL. */
static void reserve(struct bytes *bytes, size_t len)
{
	size_t want = bytes->len + len + 1;

	if (want < len)
		there(NULL);
	if (want <= bytes->room)
		return;
	if (want < 64)
		want = 64;
	else
		want += want / 2;
	bytes->data = memory_resize(bytes->data, want, 1);
	bytes->room = want;
}

void bytes_add(struct bytes *bytes, const void *data, size_t len)
{
	reserve(bytes, len);
	if (len > 0)
		memcpy(bytes->data + bytes->len, data, len);
	bytes->len += len;
	bytes->data[bytes->len] = '\0';
}

void bytes_add_byte(struct bytes *bytes, char byte)
{
	bytes_add(bytes, &byte, 1);
}

void bytes_add_text(struct bytes *bytes, const char *text)
{
	bytes_add(bytes, text, strlen(text));
}

static void add_format(struct bytes *bytes, const char *format, va_list args)
{
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	if (len < 0)
		there(NULL);
	reserve(bytes, (size_t)len);
	vsnprintf(bytes->data + bytes->len, (size_t)len + 1, format, again);
	bytes->len += (size_t)len;
	va_end(again);
}

void bytes_add_format(struct bytes *bytes, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_format(bytes, format, args);
	va_end(args);
}

char *memory_format(const char *format, ...)
{
	struct bytes bytes = {0};
	va_list args;

	va_start(args, format);
	add_format(&bytes, format, args);
	va_end(args);
	return bytes.data;
}

char *bytes_take(struct bytes *bytes)
{
	char *data = bytes->data != NULL ? bytes->data : memory_copy("", 0);

	memset(bytes, 0, sizeof(*bytes));
	return data;
}

const char *bytes_text(const struct bytes *bytes)
{
	return bytes->data != NULL ? bytes->data : "";
}
