/* SPDX-License-Identifier: MIT */
/*
 * Reads a section of the config: fills a struct by a table of struct
 * lined_option, and finds keys and inner sections. The table is a protocol's or
 * the daemon's own. Checks only the form and the range of values.
 */
#pragma once

#include <lined/protocol.h>

#include "config/parse/conf_message.h"
#include "config/parse/conf_tree.h"
#include "memory_pool.h"

struct conf_build;

struct conf_section {
	struct conf_build *build; /* the load; only passed on */
	struct conf_report *report;
	struct pool *pool; /* for strings, lists, sections */
	/* The beginning of each message: `service "echo": limits`; "": nothing.
	 */
	const char *context;
	struct conf_node *node; /* NULL: the config does not have the section */
	/* Other known sections, for "did you mean"; NULL: none. */
	const char *const *sections;
	/* The name of a section to which a misplaced key may belong, and that
	 * section's options; NULL: none. */
	const char *inner;
	const struct lined_option *inner_table;
	/* Options that are not set, or have a bad value, keep what *out has,
	 * instead of getting defaults. */
	bool keep;
};

/* ---- reading ------------------------------------------------------------ */

/*
 * Fills *out from the section. An option that is not set, or has a bad value,
 * gets its default, unless `keep` is set. Keys and sections that are not marked
 * as used are reported as unknown. Returns the number of errors.
 */
unsigned conf_section_fill(const struct conf_section *section,
			   const struct lined_option *table, void *out);

/*
 * The inner section of this name, which is marked as used. A second section, or
 * a title, is reported.
 */
struct conf_section conf_section_inner(const struct conf_section *outer,
				       const char *name);

/* The inner section of this node, which has a title. */
struct conf_section conf_section_titled(const struct conf_section *outer,
					struct conf_node *node);
/* Marks the inner section of this node as used. False, and reported: the
 * section has no title, or an earlier section has the same title. */
bool conf_section_check_title(const struct conf_section *outer,
			      struct conf_node *node);

/* The number of inner sections of this name. */
size_t conf_section_count(const struct conf_section *section, const char *name);

/* The first key of this name; NULL: not set. */
struct conf_key *conf_section_key(const struct conf_section *section,
				  const char *name);
/* The place of the key, or of the section if the key is not set. */
const struct conf_place *conf_section_place(const struct conf_section *section,
					    const char *name);
/* text is the value of the key `name`. Returns text, or NULL if text is empty.
 * An empty text is reported if the config sets the key. */
const char *conf_section_text(const struct conf_section *section,
			      const char *name, const char *text);

/* Report an error or a warning at a place in the section. */
#define conf_error_in(section, place, ...)                                     \
	conf_error_with((section)->report, (section)->context, place,          \
			__VA_ARGS__)
#define conf_warning_in(section, place, ...)                                   \
	conf_warning_with((section)->report, (section)->context, place,        \
			  __VA_ARGS__)

/*
 * The values of a filled struct as one text in the pool; two texts are equal if
 * and only if the values are equal. NULL: no memory.
 */
const char *conf_section_values(const struct conf_section *section,
				const struct lined_option *table,
				const void *values);

/* ---- other files -------------------------------------------------------- */

/* conf_option_value.c: stores the value of a key, or the default, at out.
 * Returns the number of errors. */
unsigned conf_option_read(const struct conf_section *section,
			  const struct lined_option *option,
			  const struct conf_key *key, void *out);
unsigned conf_option_default(const struct conf_section *section,
			     const struct lined_option *option, void *out);
/* A copy in the pool. Without memory, returns text itself: the load fails in
 * the end, but the rest of the config is still read, to report other errors. */
const char *conf_option_copy(const struct conf_section *section,
			     const char *text);

/* conf_unknown_key.c: reports keys and sections that are not marked as used.
 * Returns how many. */
unsigned conf_unknown_report(const struct conf_section *section,
			     const struct lined_option *table);
