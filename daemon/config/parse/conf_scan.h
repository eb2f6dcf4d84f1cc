/* SPDX-License-Identifier: MIT */
/*
 * Scans a config file by the lexical rules of libconfuse 3.3, before it does,
 * for what it cannot do: say where an unclosed section or string began, count
 * lines past a comment, take a comment in a list, tell that a list is empty,
 * accept keys that are not in its table. Interprets no key and no value.
 */
#ifndef CONF_SCAN_H
#define CONF_SCAN_H

#include "config/parse/conf_message.h"
#include "pool.h"

/* How deep sections may nest. */
#define CONF_DEPTH_MAX 16
/* Bounds on one file, against files that would fill the memory. */
#define CONF_SECTIONS_MAX 8192u
#define CONF_NAMES_MAX    64u /* different names in one kind of section */

enum conf_shape {
	CONF_SHAPE_KEY,    /* name = ... */
	CONF_SHAPE_PLAIN,  /* name { ... } */
	CONF_SHAPE_TITLED, /* name "title" { ... } */
};

/*
 * The names that a file uses in a kind of section, over all sections of that
 * kind: libconfuse needs a table of them.
 */
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
	/* For libconfuse: the file with blanks for its comments and with a
	 * value in its empty lists. */
	char *text;
	size_t len;
	struct conf_outline root;
	struct conf_mark *marks;
	size_t mark_count, mark_room;
};

/*
 * Scans the len bytes of text, which a NUL follows; all memory is the
 * pool's. -1 with an error reported where the form of the file, place, is
 * wrong.
 */
int conf_scan(const char *text, size_t len, const struct conf_place *place,
	      struct pool *pool, struct conf_report *report,
	      struct conf_scan *scan);

#endif
