/* SPDX-License-Identifier: MIT */
/*
 * malloc(3) and its like, or the end.
 */
#include "config.h"

#include "linectl/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *there(void *memory)
{
	if (memory != NULL)
		return memory;
	fputs("linectl: out of memory\n", stderr);
	exit(EXIT_FAILURE);
}

void *memory_new(size_t count, size_t size)
{
	return there(calloc(count > 0 ? count : 1, size));
}

void *memory_grow(void *array, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return array;
	*room = *room > 0 ? *room * 2 : 16;
	return there(reallocarray(array, *room, size));
}

char *memory_copy(const char *text, size_t len)
{
	char *copy = there(malloc(len + 1));

	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *memory_format(const char *format, ...)
{
	va_list arguments;
	char *text;
	int len;

	va_start(arguments, format);
	len = vasprintf(&text, format, arguments);
	va_end(arguments);
	return there(len < 0 ? NULL : text);
}
