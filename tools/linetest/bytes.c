/* SPDX-License-Identifier: MIT */
/*
 * Adds to an array of bytes, which grows by half and never shrinks.
 */
#include "config.h"

#include "linetest/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Makes room for len more bytes and a NUL. */
static void bytes_reserve(struct bytes *bytes, size_t len)
{
	size_t want = bytes->len + len + 1;

	if (want <= bytes->room)
		return;
	want = want < 64 ? 64 : want + want / 2;
	bytes->data = memory_resize(bytes->data, want, 1);
	bytes->room = want;
}

void bytes_add(struct bytes *bytes, const void *data, size_t len)
{
	bytes_reserve(bytes, len);
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

void bytes_add_format(struct bytes *bytes, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len <= 0)
		return;
	bytes_reserve(bytes, (size_t)len);
	va_start(args, format);
	vsnprintf(bytes->data + bytes->len, (size_t)len + 1, format, args);
	va_end(args);
	bytes->len += (size_t)len;
}

void bytes_drop(struct bytes *bytes, size_t len)
{
	if (len == 0)
		return;
	bytes->len -= len;
	memmove(bytes->data, bytes->data + len, bytes->len + 1);
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
