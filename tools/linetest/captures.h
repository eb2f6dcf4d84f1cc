/* SPDX-License-Identifier: MIT */
/*
 * Named values: what `{nick}` stood for when it was first met. A value belongs
 * to one run of a transcript; later lines send it, or want it again.
 */
#ifndef LINETEST_CAPTURES_H
#define LINETEST_CAPTURES_H

#include <stdbool.h>
#include <stddef.h>

struct capture {
	char *name;
	char *value; /* NUL-terminated too */
	size_t len;
};

/* Embedded by value; zeroed memory holds nothing. */
struct captures {
	struct capture *items;
	size_t count;
};

void captures_fini(struct captures *captures);

/* NULL where the name has no value. Valid until the next captures_set(). */
const struct capture *captures_find(const struct captures *captures,
				    const char *name);

/* Gives the name a value, a copy of it, in place of what it had. */
void captures_set(struct captures *captures, const char *name,
		  const char *value, size_t len);

#endif
