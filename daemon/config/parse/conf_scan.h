/* SPDX-License-Identifier: MIT */
/*
 * Scans a config file before libconfuse reads it, by the lexical rules of
 * version 3.3, because libconfuse cannot say where an unclosed section or
 * string began, miscounts lines after a comment, refuses a comment in a list,
 * reports no empty list, and stops at a key that is not in its table. No key
 * and no value is interpreted.
 */
#pragma once

#include "config/parse/conf_message.h"
#include "pool.h"

/* How deep sections may nest. */
#define CONF_DEPTH_MAX 16
/* Bounds on one file: a wrong file must not fill the memory. */
#define CONF_SECTIONS_MAX 8192u
#define CONF_NAMES_MAX    64u /* different names in one kind of section */

enum conf_shape {
	CONF_SHAPE_KEY,    /* name = ... */
	CONF_SHAPE_PLAIN,  /* name { ... } */
	CONF_SHAPE_TITLED, /* name "title" { ... } */
};

/* The names that a file uses in all sections of one kind: libconfuse needs a
 * table of them. */
struct conf_outline {
	struct conf_outline *next;
	const char *name;
	enum conf_shape shape;
	unsigned line; /* of the first use */
	struct conf_outline *children;
	unsigned count; /* of children */
};

/* One key or section, in file order. */
struct conf_mark {
	const char *name;
	unsigned line;
	bool empty_list;
};

struct conf_scan {
	/* The text for libconfuse: blanks in place of comments, and an empty
	 * string in each empty list. */
	char *text;
	size_t len;
	struct conf_outline root;
	struct conf_mark *marks;
	size_t mark_count;
};

/* Scans the len bytes of text, which a NUL follows. All memory is the pool's.
 * place is the file. -1, and an error is reported: the form of the file is
 * wrong. */
int conf_scan(const char *text, size_t len, const struct conf_place *place,
	      struct pool *pool, struct conf_report *report,
	      struct conf_scan *scan);
