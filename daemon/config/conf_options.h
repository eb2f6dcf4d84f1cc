/* SPDX-License-Identifier: MIT */
/*
 * Fills a struct from a section by a table of struct lined_option.
 * Protocols' sections and the daemon's own are read by the same rules. What a
 * value means beyond its form and range is its reader's business.
 */
#ifndef CONF_OPTIONS_H
#define CONF_OPTIONS_H

#include <lined/protocol.h>

#include "config/parse/conf_message.h"
#include "pool.h"
#include "config/parse/conf_tree.h"

struct conf_options {
	struct conf_report *report;
	struct pool *pool; /* of strings, lists, sections */
	/* What messages begin with: `service "echo": limits`; "": nothing. */
	const char *context;
	/* The sections that may stand here too, for guesses; NULL: none. */
	const char *const *sections;
	/* Values stay where no key sets them, instead of their defaults. */
	bool keep;
};

/*
 * Fills out, as the table says, from node (NULL: there is no section, only
 * defaults). An option whose value is refused has its default. Every key and
 * section of the node that is not marked as used is reported as unknown. The
 * number of errors found.
 */
unsigned conf_options_fill(const struct conf_options *options,
			   struct conf_node *node,
			   const struct lined_option *table, void *out);

/*
 * The values of a filled struct as one text: two structs of a table are alike
 * exactly when their texts are. NULL: no memory.
 */
char *conf_options_text(const struct lined_option *table, const void *values,
			struct pool *pool);

/*
 * The only section of this name in node, marked as used: NULL where there is
 * none. Another one, or a title, is reported.
 */
struct conf_node *conf_options_section(const struct conf_options *options,
				       struct conf_node *node,
				       const char *name);

/*
 * Marks a titled section as used; whether it has a title that no section of
 * its name before it has. Where not, that is reported.
 */
bool conf_options_titled(const struct conf_options *options,
			 struct conf_node *node);

/* The first key of this name; NULL: not set. */
struct conf_key *conf_options_key(const struct conf_node *node,
				  const char *name);

/* ---- between the files of the options ----------------------------------- */

/* conf_option.c: stores the value of a key, or the default, at out. The number
 * of errors found. */
unsigned conf_option_read(const struct conf_options *options,
			  const struct lined_option *option,
			  const struct conf_key *key, void *out);
unsigned conf_option_default(const struct conf_options *options,
			     const struct lined_option *option, void *out);

/* conf_unknown.c: reports the keys and sections of node that are not marked as
 * used. How many they are. */
unsigned conf_unknown_report(const struct conf_options *options,
			     const struct conf_node *node,
			     const struct lined_option *table);

#endif
