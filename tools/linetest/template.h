/* SPDX-License-Identifier: MIT */
/*
 * The text of a step: bytes, and names in braces that stand for values. The
 * parser makes a template, which never changes; the values are those of a run.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "linetest/bytes.h"

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

struct template_part {
	char *text; /* the bytes, or a name's pattern; NULL: no pattern */
	size_t len;
	char *name; /* NULL: this part is bytes */
};

/* Embedded by value. */
struct template
{
	struct template_part *parts;
	size_t count;
	/* The bytes are pieces of a regular expression. */
	bool is_pattern;
};

/* The largest COUNT of {x*COUNT}. */
#define TEMPLATE_REPEAT_MAX (64u * 1024 * 1024)

/*
 * Reads len bytes of text. Literal text has escapes and {x*COUNT}; a pattern
 * keeps its own backslashes, except \xNN, \e, \f, \n, \r and \t. Both have
 * {name} and {name:PATTERN}. -1 and a message (to be freed) in *error; the
 * template is empty then.
 */
int template_read(struct template *template, const char *text, size_t len,
		  bool is_pattern, char **error);

void template_fini(struct template *template);

/* The first name that has no value, or that has a pattern; NULL if the template
 * can be expanded. */
const char *template_unknown(const struct template *template,
			     const struct values *values);

/* Adds the bytes of a template, with the values of its names; each must have
 * one. */
void template_expand(const struct template *template,
		     const struct values *values, struct bytes *out);

/* Adds a template as a transcript has it, with the values of those names that
 * have one. Not for patterns. */
void template_show(const struct template *template, const struct values *values,
		   struct bytes *out);
