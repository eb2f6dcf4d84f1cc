/* SPDX-License-Identifier: MIT */
/*
 * Reports keys and sections that no reader has marked as used, together with
 * the most similar known name.
 */
#include "config.h"

#include "config/conf_section.h"

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
static const char *unknown_guess(const struct conf_section *section,
				 const struct lined_option *table,
				 const char *name)
{
	unsigned distance = strlen(name) < 5 ? 2 : 3;
	const char *const *inner = section->sections;
	const char *nearest = NULL;

	for (; table->name != NULL; table++)
		unknown_consider(name, table->name, &nearest, &distance);
	for (; inner != NULL && *inner != NULL; inner++)
		unknown_consider(name, *inner, &nearest, &distance);
	return nearest;
}

static const struct lined_option *unknown_find(const struct lined_option *table,
					       const char *name)
{
	while (table->name != NULL && strcmp(table->name, name) != 0)
		table++;
	return table->name != NULL ? table : NULL;
}

static bool unknown_is_section(const struct conf_section *section,
			       const struct lined_option *table,
			       const char *name)
{
	const struct lined_option *option = unknown_find(table, name);

	if (option != NULL)
		return option->type == LINED_OPTION_SECTION;
	return section->sections != NULL &&
	       conf_value_choice(name, section->sections) >= 0;
}

static bool unknown_is_key(const struct lined_option *table, const char *name)
{
	const struct lined_option *option = unknown_find(table, name);

	return option != NULL && option->type != LINED_OPTION_SECTION;
}

static void unknown_report(const struct conf_section *section,
			   const struct lined_option *table,
			   const struct conf_place *place, const char *what,
			   const char *name)
{
	const char *nearest = unknown_guess(section, table, name);

	if (section->inner_table != NULL &&
	    unknown_is_key(section->inner_table, name)) {
		conf_error_in(section, place,
			      "%s belongs into its section \"%s\"", name,
			      section->inner);
		return;
	}
	conf_error_in(section, place, "unknown %s \"%s\"%s%s%s", what, name,
		      nearest != NULL ? " (did you mean \"" : "",
		      nearest != NULL ? nearest : "",
		      nearest != NULL ? "\"?)" : "");
}

unsigned conf_unknown_report(const struct conf_section *section,
			     const struct lined_option *table)
{
	struct conf_node *child;
	struct conf_key *key;
	unsigned errors = 0;

	for (key = section->node->keys; key != NULL; key = key->next) {
		if (key->used)
			continue;
		errors++;
		if (!unknown_is_section(section, table, key->name))
			unknown_report(section, table, &key->place, "key",
				       key->name);
		else
			conf_error_in(section, &key->place,
				      "\"%s\" is a section, not a key",
				      key->name);
	}
	for (child = section->node->children; child != NULL;
	     child = child->next) {
		if (child->used)
			continue;
		errors++;
		if (!unknown_is_key(table, child->name))
			unknown_report(section, table, &child->place, "section",
				       child->name);
		else
			conf_error_in(section, &child->place,
				      "\"%s\" is a key, not a section",
				      child->name);
	}
	return errors;
}
