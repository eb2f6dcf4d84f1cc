/* SPDX-License-Identifier: MIT */
/*
 * Calls malloc(3) and its relatives, and ends the program if they fail.
 */
#include "config.h"

#include "common/memory_or_exit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *memory_check(void *memory)
{
	if (memory != NULL)
		return memory;
	fputs("out of memory\n", stderr);
	exit(EXIT_FAILURE);
}

void *memory_new(size_t count, size_t size)
{
	return memory_check(calloc(count > 0 ? count : 1, size));
}

void *memory_resize(void *array, size_t count, size_t size)
{
	return memory_check(reallocarray(array, count, size));
}

void *memory_grow(void *array, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return array;
	*room = *room > 0 ? *room * 2 : 16;
	return memory_resize(array, *room, size);
}

char *memory_copy(const char *text, size_t len)
{
	char *copy = memory_new(len + 1, 1);

	if (len > 0)
		memcpy(copy, text, len);
	return copy;
}

char *memory_format_list(const char *format, va_list arguments)
{
	char *text;
	int len = vasprintf(&text, format, arguments);

	return memory_check(len < 0 ? NULL : text);
}

char *memory_format(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = memory_format_list(format, arguments);
	va_end(arguments);
	return text;
}
