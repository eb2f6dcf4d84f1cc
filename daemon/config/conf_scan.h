/* SPDX-License-Identifier: MIT */
/*
 * Looks at a config file before libconfuse does, by the same lexical rules,
 * for what libconfuse 3.3 cannot do: say where an unclosed section or string
 * began, count lines past a comment, take a comment in a list, tell that a
 * list is empty, name a key it was not told of. Understands no key and no
 * value; libconfuse reads those.
 */
#ifndef CONF_SCAN_H
#define CONF_SCAN_H

#include "config/conf_message.h"
#include "pool.h"

/* How deep sections may nest. */
#define CONF_DEPTH_MAX 16
/* Bounds on one file, against files that would eat the memory. */
#define CONF_FILE_MAX     (1024u * 1024)
#define CONF_SECTIONS_MAX 8192u
#define CONF_NAMES_MAX    64u /* different names in one kind of section */

enum conf_shape {
	CONF_SHAPE_KEY,    /* name = ... */
	CONF_SHAPE_PLAIN,  /* name { ... } */
	CONF_SHAPE_TITLED, /* name "title" { ... } */
};

/*
 * The names that a file uses in a kind of section, all sections of that kind
 * taken together: what libconfuse has to be told to expect.
 */
struct conf_outline {
	struct conf_outline *next;
	const char *name;
	enum conf_shape shape;
	unsigned line; /* where it is first so used */
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
	/* What libconfuse is to read: the file with its comments blanked and
	 * something in its empty lists. */
	char *text;
	size_t len;
	struct conf_outline root;
	struct conf_mark *marks;
	size_t mark_count, mark_room;
};

/*
 * Scans the len bytes at text, all memory from pool. -1 with an error reported
 * when the file's form is wrong; place is the file.
 */
int conf_scan(const char *text, size_t len, const struct conf_place *place,
	      struct pool *pool, struct conf_report *report,
	      struct conf_scan *scan);

#endif
