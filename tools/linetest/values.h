/* SPDX-License-Identifier: MIT */
/*
 * The values of names: the text that `{nick}` matched first. They belong to one
 * run of a transcript; later lines send them, or expect them again.
 */
#ifndef LINETEST_VALUES_H
#define LINETEST_VALUES_H

#include <stddef.h>

struct value {
	char *name;
	char *text; /* any bytes; NUL-terminated too */
	size_t len;
};

/* Embedded by value; zeroed memory holds nothing. */
struct values {
	struct value *items;
	size_t count;
};

void values_fini(struct values *values);

/* NULL if the name has no value. Valid until the next values_set(). */
const struct value *values_find(const struct values *values, const char *name);

/* Sets the value of a name to a copy of len bytes of text. */
void values_set(struct values *values, const char *name, const char *text,
		size_t len);

#endif
