/* SPDX-License-Identifier: MIT */
/*
 * A growing array of bytes, with a NUL behind them.
 */
#pragma once

#include <stddef.h>

#include "common/memory_or_exit.h"

/* Embedded by value; zeroed memory is an empty array. */
struct bytes {
	char *data; /* NULL, or NUL-terminated */
	size_t len;
	size_t room;
};

void bytes_fini(struct bytes *bytes);
void bytes_clear(struct bytes *bytes);
void bytes_add(struct bytes *bytes, const void *data, size_t len);
void bytes_add_byte(struct bytes *bytes, char byte);
void bytes_add_text(struct bytes *bytes, const char *text);
void bytes_add_format(struct bytes *bytes, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Removes the first len bytes. */
void bytes_drop(struct bytes *bytes, size_t len);

/* Returns the data, "" if there is none, and empties the array. The caller
 * frees it. */
char *bytes_take(struct bytes *bytes);

/* The data as text, "" if there is none. Valid until the next change. */
const char *bytes_text(const struct bytes *bytes);
