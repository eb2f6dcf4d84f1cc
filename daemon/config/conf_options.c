/* SPDX-License-Identifier: MIT */
/*
 * Options by table: each value is read by its type, held against its range and
 * its choices, and stored at its offset. What nobody asked for is unknown, and
 * the nearest name that would be known is offered.
 */
#include "config.h"

#include "config/conf_options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/conf_value.h"

static unsigned fill(const struct conf_options *options, struct conf_node *node,
		     const struct lined_option *table, void *out);

const char *conf_options_colon(const char *context)
{
	return context[0] != '\0' ? ": " : "";
}

struct conf_key *conf_options_key(const struct conf_node *node,
				  const char *name)
{
	struct conf_key *key;

	for (key = node->keys; key != NULL; key = key->next)
		if (strcmp(key->name, name) == 0)
			return key;
	return NULL;
}

static void *at(void *out, const struct lined_option *option)
{
	return (char *)out + option->offset;
}

static unsigned out_of_memory(const struct conf_options *options)
{
	options->report->oom = true;
	return 1;
}

/* An error about one value of an option. */
static unsigned refuse(const struct conf_options *options,
		       const struct lined_option *option,
		       const struct conf_value *value, const char *why,
		       const char *more)
{
	char quoted[CONF_QUOTED_MAX];

	conf_error(options->report, &value->place, "%s%s%s: \"%s\" %s%s",
		   options->context, conf_options_colon(options->context),
		   option->name, conf_quoted(value->text, quoted), why, more);
	return 1;
}

static int64_t largest(const struct lined_option *option)
{
	return option->min == 0 && option->max == 0 ? INT64_MAX : option->max;
}

static const char *number_text(const struct lined_option *option,
			       int64_t number, char buf[CONF_VALUE_TEXT_MAX])
{
	if (option->type == LINED_OPTION_DURATION)
		return conf_value_duration_text(number, buf);
	if (option->type == LINED_OPTION_SIZE)
		return conf_value_size_text(number, buf);
	snprintf(buf, CONF_VALUE_TEXT_MAX, "%" PRId64, number);
	return buf;
}

static unsigned refuse_range(const struct conf_options *options,
			     const struct lined_option *option,
			     const struct conf_value *value)
{
	char range[3 * CONF_VALUE_TEXT_MAX];
	char min[CONF_VALUE_TEXT_MAX], max[CONF_VALUE_TEXT_MAX];

	number_text(option, option->min, min);
	number_text(option, largest(option), max);
	if (largest(option) == INT64_MAX)
		snprintf(range, sizeof(range), "(at least %s)", min);
	else
		snprintf(range, sizeof(range), "(%s to %s)", min, max);
	return refuse(options, option, value, "is out of range ", range);
}

static const char *const forms[] = {
	[LINED_OPTION_INTEGER] = "is not a whole number",
	[LINED_OPTION_BOOLEAN] = "is not true or false",
	[LINED_OPTION_DURATION] =
		"is not a duration (a number and ms, s, m or h)",
	[LINED_OPTION_SIZE] = "is not a size (a number and k, M or G)",
	[LINED_OPTION_CHOICE] = "is not one of its choices",
};

static enum conf_value_status read_number(const struct lined_option *option,
					  const char *text, int64_t *number)
{
	if (option->type == LINED_OPTION_DURATION)
		return conf_value_duration(text, number);
	if (option->type == LINED_OPTION_SIZE)
		return conf_value_size(text, number);
	return conf_value_integer(text, number);
}

static unsigned fill_number(const struct conf_options *options,
			    const struct lined_option *option,
			    const struct conf_value *value, int64_t *out)
{
	int64_t number;

	switch (read_number(option, value->text, &number)) {
	case CONF_VALUE_BAD:
		return refuse(options, option, value, forms[option->type], "");
	case CONF_VALUE_OK:
		if (number >= option->min && number <= largest(option))
			break;
		/* fall through */
	case CONF_VALUE_RANGE:
		return refuse_range(options, option, value);
	}
	if (conf_value_has_leading_zero(value->text))
		return refuse(options, option, value,
			      "has a leading zero: numbers are decimal", "");
	*out = number;
	return 0;
}

static unsigned refuse_choice(const struct conf_options *options,
			      const struct lined_option *option,
			      const struct conf_value *value)
{
	char words[256] = "";
	size_t i, used = 0;

	for (i = 0; option->choices[i] != NULL && used < sizeof(words); i++)
		used += (size_t)snprintf(words + used, sizeof(words) - used,
					 "%s%s", i > 0 ? ", " : "",
					 option->choices[i]);
	return refuse(options, option, value, "is not one of ", words);
}

static unsigned fill_choice(const struct conf_options *options,
			    const struct lined_option *option,
			    const struct conf_value *value, int *out)
{
	int choice = conf_value_choice(value->text, option->choices);

	if (choice < 0)
		return refuse_choice(options, option, value);
	*out = choice;
	return 0;
}

static unsigned fill_text(const struct conf_options *options,
			  const struct lined_option *option,
			  const struct conf_value *value, const char **out)
{
	if (option->choices != NULL &&
	    conf_value_choice(value->text, option->choices) < 0)
		return refuse_choice(options, option, value);
	*out = pool_strdup(options->pool, value->text);
	return *out == NULL ? out_of_memory(options) : 0;
}

static unsigned fill_list(const struct conf_options *options,
			  const struct lined_option *option,
			  const struct conf_key *key,
			  struct lined_option_list *out)
{
	const char **items =
		pool_array(options->pool, key->count, sizeof(*items));
	const struct conf_value *value;
	unsigned errors = 0;
	size_t i = 0;

	if (items == NULL)
		return out_of_memory(options);
	for (value = key->values; value != NULL; value = value->next)
		errors += fill_text(options, option, value, &items[i++]);
	out->count = key->count;
	out->items = items;
	return errors;
}

static unsigned fill_scalar(const struct conf_options *options,
			    const struct lined_option *option,
			    const struct conf_value *value, void *out)
{
	switch (option->type) {
	case LINED_OPTION_BOOLEAN:
		if (conf_value_boolean(value->text, out) != CONF_VALUE_OK)
			return refuse(options, option, value,
				      forms[option->type], "");
		return 0;
	case LINED_OPTION_STRING:
		return fill_text(options, option, value, out);
	case LINED_OPTION_CHOICE:
		return fill_choice(options, option, value, out);
	default:
		return fill_number(options, option, value, out);
	}
}

/* Stores the default, which may lie outside of the range. */
static unsigned fill_default(const struct conf_options *options,
			     const struct lined_option *option, void *out)
{
	static const struct conf_place nowhere = {"protocol", 0, 0};
	const char *text = option->fallback;
	bool good = true;

	switch (option->type) {
	case LINED_OPTION_STRING:
		*(const char **)out = text != NULL ? text : "";
		break;
	case LINED_OPTION_LIST:
		*(struct lined_option_list *)out =
			(struct lined_option_list){0, NULL};
		break;
	case LINED_OPTION_BOOLEAN:
		*(bool *)out = false;
		if (text != NULL)
			good = conf_value_boolean(text, out) == CONF_VALUE_OK;
		break;
	case LINED_OPTION_CHOICE:
		*(int *)out = -1;
		if (text != NULL)
			*(int *)out = conf_value_choice(text, option->choices);
		good = text == NULL || *(int *)out >= 0;
		break;
	default:
		*(int64_t *)out = 0;
		if (text != NULL)
			good = read_number(option, text, out) == CONF_VALUE_OK;
	}
	if (good)
		return 0;
	conf_error(options->report, &nowhere,
		   "%s%s%s: the built-in default \"%s\" %s", options->context,
		   conf_options_colon(options->context), option->name, text,
		   forms[option->type]);
	return 1;
}

/* The key that sets an option, used; every further one is an error. */
static struct conf_key *take_key(const struct conf_options *options,
				 struct conf_node *node, const char *name,
				 unsigned *errors)
{
	struct conf_key *first = conf_options_key(node, name);
	struct conf_key *key;

	if (first == NULL)
		return NULL;
	first->used = true;
	for (key = first->next; key != NULL; key = key->next) {
		if (strcmp(key->name, name) != 0)
			continue;
		key->used = true;
		conf_error(options->report, &key->place,
			   "%s%s%s is set already at %s:%u", options->context,
			   conf_options_colon(options->context), name,
			   first->place.file, first->place.line);
		(*errors)++;
	}
	return first;
}

static unsigned fill_option(const struct conf_options *options,
			    struct conf_node *node,
			    const struct lined_option *option, void *out)
{
	struct conf_key *key = NULL;
	unsigned errors = 0;

	if (node != NULL)
		key = take_key(options, node, option->name, &errors);
	if (!options->keep)
		errors += fill_default(options, option, out);
	if (key == NULL)
		return errors;
	if (option->type == LINED_OPTION_LIST)
		return errors + fill_list(options, option, key, out);
	if (key->count == 1)
		return errors + fill_scalar(options, option, key->values, out);
	conf_error(options->report, &key->place,
		   "%s%s%s takes one value, not a list of %zu",
		   options->context, conf_options_colon(options->context),
		   option->name, key->count);
	return errors + 1;
}

/* ---- titled sections ------------------------------------------------- */

bool conf_options_titled(const struct conf_options *options,
			 struct conf_node *node)
{
	char quoted[CONF_QUOTED_MAX];

	node->used = true;
	if (node->title == NULL || node->title[0] == '\0') {
		conf_error(options->report, &node->place,
			   "%s%s%s needs a title: %s \"NAME\" { ... }",
			   options->context,
			   conf_options_colon(options->context), node->name,
			   node->name);
		return false;
	}
	if (node->first == NULL)
		return true;
	conf_error(options->report, &node->place,
		   "%s%s%s \"%s\" is defined already at %s:%u",
		   options->context, conf_options_colon(options->context),
		   node->name, conf_quoted(node->title, quoted),
		   node->first->place.file, node->first->place.line);
	return false;
}

static unsigned fill_section(const struct conf_options *options,
			     struct conf_node *node,
			     const struct lined_option *option, void *out)
{
	struct conf_options inner = *options;

	inner.sections = NULL;
	inner.keep = false;
	inner.context = pool_printf(
		options->pool, "%s%s%s \"%s\"", options->context,
		conf_options_colon(options->context), node->name, node->title);
	*(const char **)out = pool_strdup(options->pool, node->title);
	if (inner.context == NULL || *(const char **)out == NULL)
		return out_of_memory(options);
	return fill(&inner, node, option->section, out);
}

static unsigned fill_sections(const struct conf_options *options,
			      struct conf_node *parent,
			      const struct lined_option *option,
			      struct lined_option_sections *out)
{
	struct conf_node *node, *first = parent ? parent->children : NULL;
	size_t count = 0;
	unsigned errors = 0;
	char *items;

	for (node = first; node != NULL; node = node->next)
		count += strcmp(node->name, option->name) == 0;
	items = pool_array(options->pool, count, option->section_size);
	if (items == NULL)
		return out_of_memory(options);
	out->items = items;
	out->count = 0;
	for (node = first; node != NULL; node = node->next) {
		if (strcmp(node->name, option->name) != 0)
			continue;
		errors += !conf_options_titled(options, node);
		if (node->title == NULL)
			continue;
		errors += fill_section(options, node, option,
				       items + out->count++ *
						       option->section_size);
	}
	return errors;
}

struct conf_node *conf_options_section(const struct conf_options *options,
				       struct conf_node *node, const char *name)
{
	struct conf_node *child, *first = NULL;

	for (child = node->children; child != NULL; child = child->next) {
		if (strcmp(child->name, name) != 0)
			continue;
		child->used = true;
		if (child->title != NULL)
			conf_error(options->report, &child->place,
				   "%s%s%s takes no title", options->context,
				   conf_options_colon(options->context), name);
		if (first != NULL)
			conf_error(options->report, &child->place,
				   "%s%s%s is defined already at %s:%u",
				   options->context,
				   conf_options_colon(options->context), name,
				   first->place.file, first->place.line);
		else
			first = child;
	}
	return first;
}

/* ---- what is unknown ------------------------------------------------- */

static void consider(const char *name, const char *candidate,
		     const char **nearest, unsigned *distance)
{
	unsigned d = conf_value_distance(name, candidate);

	if (d < *distance) {
		*distance = d;
		*nearest = candidate;
	}
}

/* The known name that a wrong one is most likely meant to be; NULL: none. */
static const char *guess(const struct conf_options *options,
			 const struct lined_option *table, const char *name)
{
	unsigned distance = strlen(name) < 5 ? 2 : 3;
	const char *const *section = options->sections;
	const char *nearest = NULL;

	for (; table->name != NULL; table++)
		consider(name, table->name, &nearest, &distance);
	for (; section != NULL && *section != NULL; section++)
		consider(name, *section, &nearest, &distance);
	return nearest;
}

static bool is_section(const struct conf_options *options,
		       const struct lined_option *table, const char *name)
{
	for (; table->name != NULL; table++)
		if (strcmp(table->name, name) == 0)
			return table->type == LINED_OPTION_SECTION;
	return options->sections != NULL &&
	       conf_value_choice(name, options->sections) >= 0;
}

static bool is_key(const struct lined_option *table, const char *name)
{
	for (; table->name != NULL; table++)
		if (strcmp(table->name, name) == 0)
			return table->type != LINED_OPTION_SECTION;
	return false;
}

static void unknown(const struct conf_options *options,
		    const struct lined_option *table,
		    const struct conf_place *place, const char *what,
		    const char *name)
{
	const char *nearest = guess(options, table, name);

	conf_error(options->report, place, "%s%sunknown %s \"%s\"%s%s%s",
		   options->context, conf_options_colon(options->context), what,
		   name, nearest != NULL ? " (did you mean \"" : "",
		   nearest != NULL ? nearest : "",
		   nearest != NULL ? "\"?)" : "");
}

static unsigned report_unknown(const struct conf_options *options,
			       struct conf_node *node,
			       const struct lined_option *table)
{
	struct conf_node *child;
	struct conf_key *key;
	unsigned errors = 0;

	for (key = node->keys; key != NULL; key = key->next) {
		if (key->used)
			continue;
		errors++;
		if (!is_section(options, table, key->name))
			unknown(options, table, &key->place, "key", key->name);
		else
			conf_error(options->report, &key->place,
				   "%s%s\"%s\" is a section, not a key",
				   options->context,
				   conf_options_colon(options->context),
				   key->name);
	}
	for (child = node->children; child != NULL; child = child->next) {
		if (child->used)
			continue;
		errors++;
		if (!is_key(table, child->name))
			unknown(options, table, &child->place, "section",
				child->name);
		else
			conf_error(options->report, &child->place,
				   "%s%s\"%s\" is a key, not a section",
				   options->context,
				   conf_options_colon(options->context),
				   child->name);
	}
	return errors;
}

static unsigned fill(const struct conf_options *options, struct conf_node *node,
		     const struct lined_option *table, void *out)
{
	const struct lined_option *option;
	unsigned errors = 0;

	for (option = table; option->name != NULL; option++) {
		if (option->type == LINED_OPTION_SECTION)
			errors += fill_sections(options, node, option,
						at(out, option));
		else
			errors += fill_option(options, node, option,
					      at(out, option));
	}
	return node != NULL ? errors + report_unknown(options, node, table)
			    : errors;
}

unsigned conf_options_fill(const struct conf_options *options,
			   struct conf_node *node,
			   const struct lined_option *table, void *out)
{
	return fill(options, node, table, out);
}
