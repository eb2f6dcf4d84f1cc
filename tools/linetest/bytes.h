/* SPDX-License-Identifier: MIT */
/*
 * A growing run of bytes, and memory that is there or ends linetest: it holds
 * scripts and what clients said, and knows nothing of either.
 */
#ifndef LINETEST_BYTES_H
#define LINETEST_BYTES_H

#include <stdbool.h>
#include <stddef.h>

/* Embedded by value; zeroed memory is an empty one. */
struct bytes {
	char *data; /* NUL-terminated where not NULL */
	size_t len;
	size_t room;
};

/*
 * malloc(3) and its kin; without memory they say so and exit 2. What linetest
 * holds is a script and a short conversation: there is nothing to go on with.
 */
void *memory_get(size_t size); /* zeroed */
void *memory_resize(void *old, size_t count, size_t size);
char *memory_copy(const char *text, size_t len); /* and a NUL */
char *memory_format(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

void bytes_fini(struct bytes *bytes);
void bytes_clear(struct bytes *bytes);
void bytes_add(struct bytes *bytes, const void *data, size_t len);
void bytes_add_byte(struct bytes *bytes, char byte);
void bytes_add_text(struct bytes *bytes, const char *text);
void bytes_add_format(struct bytes *bytes, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Gives away the data, "" where there is none; the caller frees it. */
char *bytes_take(struct bytes *bytes);

/* The data as text; "" where there is none. Valid until the next change. */
const char *bytes_text(const struct bytes *bytes);

#endif
