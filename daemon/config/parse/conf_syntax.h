/* SPDX-License-Identifier: MIT */
/*
 * Checks the syntax of a config file by the rules of libconfuse 3.3, before
 * libconfuse reads it: libconfuse cannot say where an unclosed section or
 * string began, miscounts lines after a comment, refuses a comment in a list,
 * does not report an empty list, and stops at a key that is not in its table.
 * Keys and values are not interpreted.
 */
#pragma once

#include "config/parse/conf_tree.h"
#include "memory_pool.h"

/* Limits for one file: a wrong file must not use up the memory. */
#define CONF_SECTIONS_MAX 8192u
#define CONF_NAMES_MAX    64u /* names in one kind of section */

enum conf_shape {
	CONF_SHAPE_KEY,    /* name = ... */
	CONF_SHAPE_PLAIN,  /* name { ... } */
	CONF_SHAPE_TITLED, /* name "title" { ... } */
};

/* The names that a file uses in all sections of one kind, for libconfuse's
 * table. */
struct conf_outline {
	struct conf_outline *next;
	const char *name;
	enum conf_shape shape;
	unsigned line; /* where the name is first used */
	struct conf_outline *children;
	unsigned count; /* number of children */
};

/* One key or section, in file order. */
struct conf_mark {
	const char *name;
	unsigned line;
	bool empty_list;
};

struct conf_syntax {
	/* The text for libconfuse: blanks instead of comments, an empty string
	 * in each empty list. */
	char *text;
	size_t len;
	struct conf_outline root;
	struct conf_mark *marks;
	size_t mark_count;
};

/* Checks the len bytes of text, which must be followed by a NUL. Allocates in
 * pool. place is the file. -1: the file is malformed, which is reported, or
 * there is no memory. */
int conf_syntax_check(const char *text, size_t len,
		      const struct conf_place *place, struct pool *pool,
		      struct conf_report *report, struct conf_syntax *syntax);
