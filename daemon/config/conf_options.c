/* SPDX-License-Identifier: MIT */
/*
 * Finds the key or the sections of each option in a table; conf_option_value.c
 * reads values, conf_unknown_key.c reports what is left over. Also writes a
 * filled struct as one text.
 */
#include "config.h"

#include "config/conf_options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory_pool.h"

struct conf_key *conf_options_key(const struct conf_node *node,
				  const char *name)
{
	struct conf_key *key;

	for (key = node->keys; key != NULL; key = key->next)
		if (strcmp(key->name, name) == 0)
			return key;
	return NULL;
}

/* Finds the key that sets an option; a second key is an error. */
static struct conf_key *options_take_key(const struct conf_options *options,
					 struct conf_node *node,
					 const char *name, unsigned *errors)
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
		conf_error_in(options->report, options->context, &key->place,
			      "%s is set already at %s:%u", name,
			      first->place.file, first->place.line);
		(*errors)++;
	}
	return first;
}

static unsigned options_fill_one(const struct conf_options *options,
				 struct conf_node *node,
				 const struct lined_option *option, void *out)
{
	struct conf_key *key = NULL;
	unsigned errors = 0;

	if (node != NULL)
		key = options_take_key(options, node, option->name, &errors);
	if (!options->keep)
		errors += conf_option_default(options, option, out);
	if (key == NULL)
		return errors;
	return errors + conf_option_read(options, option, key, out);
}

/* ---- titled sections ------------------------------------------------- */

bool conf_options_titled(const struct conf_options *options,
			 struct conf_node *node)
{
	char quoted[CONF_QUOTED_MAX];

	node->used = true;
	if (node->title == NULL || node->title[0] == '\0') {
		conf_error_in(options->report, options->context, &node->place,
			      "%s needs a title: %s \"NAME\" { ... }",
			      node->name, node->name);
		return false;
	}
	if (node->first == NULL)
		return true;
	conf_error_in(options->report, options->context, &node->place,
		      "%s \"%s\" is defined already at %s:%u", node->name,
		      conf_quoted(node->title, quoted), node->first->place.file,
		      node->first->place.line);
	return false;
}

static unsigned options_fill_section(const struct conf_options *options,
				     struct conf_node *node,
				     const struct lined_option *option,
				     void *out)
{
	struct conf_options inner = *options;

	inner.sections = NULL;
	inner.keep = false;
	inner.context = pool_printf(options->pool, "%s: %s \"%s\"",
				    options->context, node->name, node->title);
	if (inner.context == NULL) {
		options->report->oom = true;
		inner.context = options->context;
	}
	*(const char **)out = conf_option_copy(options, node->title);
	return conf_options_fill(&inner, node, option->section, out);
}

static unsigned options_fill_sections(const struct conf_options *options,
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
	if (items == NULL) {
		options->report->oom = true;
		return 1;
	}
	out->items = items;
	out->count = 0;
	for (node = first; node != NULL; node = node->next) {
		if (strcmp(node->name, option->name) != 0)
			continue;
		errors += !conf_options_titled(options, node);
		if (node->title == NULL)
			continue;
		errors += options_fill_section(
			options, node, option,
			items + out->count++ * option->section_size);
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
			conf_error_in(options->report, options->context,
				      &child->place, "%s takes no title", name);
		if (first != NULL)
			conf_error_in(options->report, options->context,
				      &child->place,
				      "%s is defined already at %s:%u", name,
				      first->place.file, first->place.line);
		else
			first = child;
	}
	return first;
}

unsigned conf_options_fill(const struct conf_options *options,
			   struct conf_node *node,
			   const struct lined_option *table, void *out)
{
	const struct lined_option *option;
	unsigned errors = 0;

	for (option = table; option->name != NULL; option++) {
		void *to = (char *)out + option->offset;

		if (option->type == LINED_OPTION_SECTION)
			errors += options_fill_sections(options, node, option,
							to);
		else
			errors += options_fill_one(options, node, option, to);
	}
	return node != NULL ? errors + conf_unknown_report(options, node, table)
			    : errors;
}

/* ---- options as text ------------------------------------------------- */

/* The length comes first: otherwise two different lists could give the same
 * text, and a reload would miss the change. */
static void values_write_text(FILE *file, const char *text)
{
	fprintf(file, "%zu:%s ", strlen(text), text);
}

static void values_write_list(FILE *file, const struct lined_option_list *list)
{
	size_t i;

	fprintf(file, "[%zu] ", list->count);
	for (i = 0; i < list->count; i++)
		values_write_text(file, list->items[i]);
}

static void values_write(FILE *file, const struct lined_option *table,
			 const char *values);

static void values_write_sections(FILE *file, const struct lined_option *option,
				  const struct lined_option_sections *sections)
{
	const char *item = sections->items;
	size_t i;

	fprintf(file, "{%zu} ", sections->count);
	for (i = 0; i < sections->count; i++) {
		values_write_text(file,
				  *(const char *const *)(const void *)item);
		values_write(file, option->section, item);
		item += option->section_size;
	}
}

static void values_write(FILE *file, const struct lined_option *table,
			 const char *values)
{
	for (; table->name != NULL; table++) {
		const void *value = values + table->offset;

		fprintf(file, "%s=", table->name);
		switch (table->type) {
		case LINED_OPTION_STRING:
			values_write_text(file, *(const char *const *)value);
			break;
		case LINED_OPTION_CHOICE:
			fprintf(file, "%d ", *(const int *)value);
			break;
		case LINED_OPTION_BOOLEAN:
			fprintf(file, "%d ", *(const bool *)value);
			break;
		case LINED_OPTION_LIST:
			values_write_list(file, value);
			break;
		case LINED_OPTION_SECTION:
			values_write_sections(file, table, value);
			break;
		default:
			fprintf(file, "%" PRId64 " ", *(const int64_t *)value);
		}
	}
}

char *conf_options_text(const struct lined_option *table, const void *values,
			struct pool *pool)
{
	char *text = NULL, *copy = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);

	if (file == NULL)
		return NULL;
	values_write(file, table, values);
	if (fclose(file) == 0)
		copy = pool_strndup(pool, text, len);
	free(text);
	return copy;
}
