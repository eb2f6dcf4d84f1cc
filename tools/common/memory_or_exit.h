/* SPDX-License-Identifier: MIT */
/*
 * Memory for linectl and linetest. Without memory these functions print a
 * message and exit 1, so that no caller has to check.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* Returns zeroed memory. */
void *memory_new(size_t count, size_t size);

void *memory_resize(void *array, size_t count, size_t size);

/* Returns the array, grown if necessary, with room for at least one more than
 * count items. *room is the number of items for which the array has room. */
void *memory_grow(void *array, size_t count, size_t *room, size_t size);

/* Returns a copy of len bytes, and a NUL. text may be NULL if len is 0. */
char *memory_copy(const char *text, size_t len);

char *memory_format(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
char *memory_format_list(const char *format, va_list arguments)
	__attribute__((format(printf, 1, 0)));
