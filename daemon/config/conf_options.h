/* SPDX-License-Identifier: MIT */
/*
 * Fills a struct from a section by a table of struct lined_option. The sections
 * of protocols and those of the daemon are read by the same rules. Checks only
 * the form and the range of values.
 */
#pragma once

#include <lined/protocol.h>

#include "config/parse/conf_message.h"
#include "config/parse/conf_tree.h"
#include "pool.h"

struct conf_options {
	struct conf_report *report;
	struct pool *pool; /* of strings, lists, sections */
	/* Begins the messages: `service "echo": limits`; "": none. */
	const char *context;
	/* Other known sections, for "did you mean"; NULL: none. */
	const char *const *sections;
	/* A section that a misplaced key may belong to, and its options; NULL:
	 * none. */
	const char *inner;
	const struct lined_option *inner_table;
	/* Options that no key sets keep their values instead of getting
	 * defaults. */
	bool keep;
};

/*
 * Fills *out, as the table says, from node (NULL: no section, only defaults).
 * An option whose value is refused keeps its default. Every key and section of
 * the node that is not marked as used is reported as unknown. Returns the
 * number of errors found.
 */
unsigned conf_options_fill(const struct conf_options *options,
			   struct conf_node *node,
			   const struct lined_option *table, void *out);

/*
 * The values of a filled struct as one text: the texts of two structs are equal
 * if and only if their values are. In pool; NULL: no memory.
 */
char *conf_options_text(const struct lined_option *table, const void *values,
			struct pool *pool);

/*
 * The section of this name in node, marked as used; NULL: there is none. A
 * second one, or a title, is reported.
 */
struct conf_node *conf_options_section(const struct conf_options *options,
				       struct conf_node *node,
				       const char *name);

/* Marks a titled section as used. False, and reported: it has no title, or an
 * earlier section has the same title. */
bool conf_options_titled(const struct conf_options *options,
			 struct conf_node *node);

/* The first key of this name; NULL: not set. */
struct conf_key *conf_options_key(const struct conf_node *node,
				  const char *name);

/* A copy in the pool; without memory, the text itself: the load fails, but the
 * readers go on, to report what else is wrong. */
const char *conf_option_copy(const struct conf_options *options,
			     const char *text);

/* ---- between the files of the options ----------------------------------- */

/* conf_option.c: stores the value of a key, or the default, at out. Returns the
 * number of errors found. */
unsigned conf_option_read(const struct conf_options *options,
			  const struct lined_option *option,
			  const struct conf_key *key, void *out);
unsigned conf_option_default(const struct conf_options *options,
			     const struct lined_option *option, void *out);

/* conf_unknown.c: reports the keys and sections of node that are not marked as
 * used. Returns their number. */
unsigned conf_unknown_report(const struct conf_options *options,
			     const struct conf_node *node,
			     const struct lined_option *table);
