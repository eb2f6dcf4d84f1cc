/* SPDX-License-Identifier: MIT */
/*
 * Reports keys and sections that no reader has marked as used, together with
 * the most similar known name.
 */
#include "config.h"

#include "config/conf_options.h"

#include <string.h>

#include "config/conf_value.h"

static void unknown_consider(const char *name, const char *candidate,
			     const char **nearest, unsigned *distance)
{
	unsigned d = conf_value_distance(name, candidate);

	if (d < *distance) {
		*distance = d;
		*nearest = candidate;
	}
}

/* The known name most similar to a wrong name; NULL: none is similar. */
static const char *unknown_guess(const struct conf_options *options,
				 const struct lined_option *table,
				 const char *name)
{
	unsigned distance = strlen(name) < 5 ? 2 : 3;
	const char *const *section = options->sections;
	const char *nearest = NULL;

	for (; table->name != NULL; table++)
		unknown_consider(name, table->name, &nearest, &distance);
	for (; section != NULL && *section != NULL; section++)
		unknown_consider(name, *section, &nearest, &distance);
	return nearest;
}

static bool unknown_is_section(const struct conf_options *options,
			       const struct lined_option *table,
			       const char *name)
{
	for (; table->name != NULL; table++)
		if (strcmp(table->name, name) == 0)
			return table->type == LINED_OPTION_SECTION;
	return options->sections != NULL &&
	       conf_value_choice(name, options->sections) >= 0;
}

static bool unknown_is_key(const struct lined_option *table, const char *name)
{
	for (; table->name != NULL; table++)
		if (strcmp(table->name, name) == 0)
			return table->type != LINED_OPTION_SECTION;
	return false;
}

static void unknown_report(const struct conf_options *options,
			   const struct lined_option *table,
			   const struct conf_place *place, const char *what,
			   const char *name)
{
	const char *nearest = unknown_guess(options, table, name);

	if (options->inner_table != NULL &&
	    unknown_is_key(options->inner_table, name)) {
		conf_error_in(options->report, options->context, place,
			      "%s belongs into its section \"%s\"", name,
			      options->inner);
		return;
	}
	conf_error_in(options->report, options->context, place,
		      "unknown %s \"%s\"%s%s%s", what, name,
		      nearest != NULL ? " (did you mean \"" : "",
		      nearest != NULL ? nearest : "",
		      nearest != NULL ? "\"?)" : "");
}

unsigned conf_unknown_report(const struct conf_options *options,
			     const struct conf_node *node,
			     const struct lined_option *table)
{
	struct conf_node *child;
	struct conf_key *key;
	unsigned errors = 0;

	for (key = node->keys; key != NULL; key = key->next) {
		if (key->used)
			continue;
		errors++;
		if (!unknown_is_section(options, table, key->name))
			unknown_report(options, table, &key->place, "key",
				       key->name);
		else
			conf_error_in(
				options->report, options->context, &key->place,
				"\"%s\" is a section, not a key", key->name);
	}
	for (child = node->children; child != NULL; child = child->next) {
		if (child->used)
			continue;
		errors++;
		if (!unknown_is_key(table, child->name))
			unknown_report(options, table, &child->place, "section",
				       child->name);
		else
			conf_error_in(options->report, options->context,
				      &child->place,
				      "\"%s\" is a key, not a section",
				      child->name);
	}
	return errors;
}
