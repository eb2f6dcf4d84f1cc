/* SPDX-License-Identifier: MIT */
/*
 * Fills a struct from a section with a table of struct lined_option, for
 * sections of protocols and of the daemon alike. Checks only the form and the
 * range of values.
 */
#pragma once

#include <lined/protocol.h>

#include "config/parse/conf_message.h"
#include "config/parse/conf_tree.h"
#include "memory_pool.h"

struct conf_options {
	struct conf_report *report;
	struct pool *pool; /* for strings, lists, sections */
	/* The beginning of each message: `service "echo": limits`; "": nothing.
	 */
	const char *context;
	/* Other known sections, for "did you mean"; NULL: none. */
	const char *const *sections;
	/* A section to which a misplaced key may belong, and its options; NULL:
	 * none. */
	const char *inner;
	const struct lined_option *inner_table;
	/* Options that are not set keep their values instead of getting
	 * defaults. */
	bool keep;
};

/*
 * Fills *out from node (NULL: defaults only) according to the table. An option
 * with a bad value keeps its default. Keys and sections of the node that are
 * not marked as used are reported as unknown. Returns the number of errors.
 */
unsigned conf_options_fill(const struct conf_options *options,
			   struct conf_node *node,
			   const struct lined_option *table, void *out);

/*
 * The values of a filled struct as one text in pool; two texts are equal if and
 * only if the values are equal. NULL: no memory.
 */
char *conf_options_text(const struct lined_option *table, const void *values,
			struct pool *pool);

/*
 * Finds the section of this name in node and marks it as used; NULL: none. A
 * second section, or a title, is reported.
 */
struct conf_node *conf_options_section(const struct conf_options *options,
				       struct conf_node *node,
				       const char *name);

/* Marks a section with a title as used. False, and reported: the section has no
 * title, or an earlier section has the same title. */
bool conf_options_titled(const struct conf_options *options,
			 struct conf_node *node);

/* The first key of this name; NULL: not set. */
struct conf_key *conf_options_key(const struct conf_node *node,
				  const char *name);

/* A copy in the pool. Without memory, returns text itself: the load will fail,
 * but its readers continue, to report other errors. */
const char *conf_option_copy(const struct conf_options *options,
			     const char *text);

/* ---- between the files of the options ----------------------------------- */

/* conf_option_value.c: stores the value of a key, or the default, at out.
 * Returns the number of errors. */
unsigned conf_option_read(const struct conf_options *options,
			  const struct lined_option *option,
			  const struct conf_key *key, void *out);
unsigned conf_option_default(const struct conf_options *options,
			     const struct lined_option *option, void *out);

/* conf_unknown_key.c: reports keys and sections of node that are not marked as
 * used. Returns how many. */
unsigned conf_unknown_report(const struct conf_options *options,
			     const struct conf_node *node,
			     const struct lined_option *table);
