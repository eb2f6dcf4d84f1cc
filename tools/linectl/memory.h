/* SPDX-License-Identifier: MIT */
/*
 * Memory that is there: a program that shows something to a person has nothing
 * better to do without any than to say so and end.
 */
#ifndef LINECTL_MEMORY_H
#define LINECTL_MEMORY_H

#include <stddef.h>

/* Zeroed. */
void *memory_new(size_t count, size_t size);

/* An array with room for one more than count; *room is kept. */
void *memory_grow(void *array, size_t count, size_t *room, size_t size);

char *memory_copy(const char *text, size_t len);
char *memory_format(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

#endif
