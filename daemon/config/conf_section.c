/* SPDX-License-Identifier: MIT */
/*
 * For each option of a table, finds its key or its sections in the config.
 * conf_option_value.c reads values, conf_unknown_key.c reports unknown keys and
 * sections. This file also writes a filled struct as one text.
 */
#include "config.h"

#include "config/conf_section.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct conf_key *conf_section_key(const struct conf_section *section,
				  const char *name)
{
	struct conf_key *key =
		section->node != NULL ? section->node->keys : NULL;

	while (key != NULL && strcmp(key->name, name) != 0)
		key = key->next;
	return key;
}

const struct conf_place *conf_section_place(const struct conf_section *section,
					    const char *name)
{
	const struct conf_key *key = conf_section_key(section, name);

	return key != NULL ? &key->place : &section->node->place;
}

const char *conf_section_text(const struct conf_section *section,
			      const char *name, const char *text)
{
	const struct conf_key *key = conf_section_key(section, name);

	if (text != NULL && text[0] != '\0')
		return text;
	if (key != NULL && text != NULL)
		conf_error_in(section, &key->place, "%s is empty", name);
	return NULL;
}

/* Finds the key that sets an option; a second key is an error. */
static struct conf_key *section_take_key(const struct conf_section *section,
					 const char *name, unsigned *errors)
{
	struct conf_key *first = conf_section_key(section, name), *key;

	if (first == NULL)
		return NULL;
	first->used = true;
	for (key = first->next; key != NULL; key = key->next) {
		if (strcmp(key->name, name) != 0)
			continue;
		key->used = true;
		conf_error_in(section, &key->place,
			      "%s is set already at %s:%u", name,
			      first->place.file, first->place.line);
		(*errors)++;
	}
	return first;
}

static unsigned section_fill_one(const struct conf_section *section,
				 const struct lined_option *option, void *out)
{
	unsigned errors = 0;
	struct conf_key *key = section_take_key(section, option->name, &errors);

	if (!section->keep)
		errors += conf_option_default(section, option, out);
	if (key == NULL)
		return errors;
	return errors + conf_option_read(section, option, key, out);
}

/* ---- inner sections ----------------------------------------------------- */

/* what: the section's name and title for messages; NULL: there was no memory
 * for the text. */
static struct conf_section section_within(const struct conf_section *outer,
					  struct conf_node *node,
					  const char *what)
{
	struct conf_section inner = {.build = outer->build,
				     .report = outer->report,
				     .pool = outer->pool,
				     .context = what,
				     .node = node};

	if (what != NULL && outer->context[0] != '\0')
		inner.context = pool_printf(outer->pool, "%s: %s",
					    outer->context, what);
	if (inner.context == NULL)
		inner.context = outer->context;
	return inner;
}

struct conf_section conf_section_titled(const struct conf_section *outer,
					struct conf_node *node)
{
	return section_within(
		outer, node,
		pool_printf(outer->pool, "%s \"%s\"", node->name, node->title));
}

bool conf_section_check_title(const struct conf_section *outer,
			      struct conf_node *node)
{
	char quoted[CONF_QUOTED_MAX];

	node->used = true;
	if (node->title == NULL || node->title[0] == '\0') {
		conf_error_in(outer, &node->place,
			      "%s needs a title: %s \"NAME\" { ... }",
			      node->name, node->name);
		return false;
	}
	if (node->first == NULL)
		return true;
	conf_error_in(outer, &node->place,
		      "%s \"%s\" is defined already at %s:%u", node->name,
		      conf_quoted(node->title, quoted), node->first->place.file,
		      node->first->place.line);
	return false;
}

size_t conf_section_count(const struct conf_section *section, const char *name)
{
	const struct conf_node *node =
		section->node != NULL ? section->node->children : NULL;
	size_t count = 0;

	for (; node != NULL; node = node->next)
		count += strcmp(node->name, name) == 0;
	return count;
}

static unsigned section_fill_sections(const struct conf_section *section,
				      const struct lined_option *option,
				      struct lined_option_sections *out)
{
	size_t count = conf_section_count(section, option->name);
	char *items = pool_array(section->pool, count, option->section_size);
	struct conf_node *node;
	unsigned errors = 0;

	if (items == NULL)
		return 1;
	out->items = items;
	out->count = 0;
	for (node = count > 0 ? section->node->children : NULL; node != NULL;
	     node = node->next) {
		struct conf_section inner;

		if (strcmp(node->name, option->name) != 0)
			continue;
		errors += !conf_section_check_title(section, node);
		if (node->title == NULL)
			continue;
		inner = conf_section_titled(section, node);
		*(const char **)(void *)items =
			conf_option_copy(section, node->title);
		errors += conf_section_fill(&inner, option->section, items);
		items += option->section_size;
		out->count++;
	}
	return errors;
}

struct conf_section conf_section_inner(const struct conf_section *outer,
				       const char *name)
{
	struct conf_node *child, *first = NULL;

	for (child = outer->node != NULL ? outer->node->children : NULL;
	     child != NULL; child = child->next) {
		if (strcmp(child->name, name) != 0)
			continue;
		child->used = true;
		if (child->title != NULL)
			conf_error_in(outer, &child->place, "%s takes no title",
				      name);
		if (first != NULL)
			conf_error_in(outer, &child->place,
				      "%s is defined already at %s:%u", name,
				      first->place.file, first->place.line);
		else
			first = child;
	}
	return section_within(outer, first, name);
}

unsigned conf_section_fill(const struct conf_section *section,
			   const struct lined_option *table, void *out)
{
	const struct lined_option *option;
	unsigned errors = 0;

	for (option = table; option->name != NULL; option++) {
		void *to = (char *)out + option->offset;

		if (option->type == LINED_OPTION_SECTION)
			errors += section_fill_sections(section, option, to);
		else
			errors += section_fill_one(section, option, to);
	}
	return section->node != NULL
		       ? errors + conf_unknown_report(section, table)
		       : errors;
}

/* ---- values as text ------------------------------------------------- */

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

const char *conf_section_values(const struct conf_section *section,
				const struct lined_option *table,
				const void *values)
{
	char *text = NULL, *copy = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);

	if (file != NULL) {
		values_write(file, table, values);
		if (fclose(file) == 0)
			copy = pool_strndup(section->pool, text, len);
		free(text);
	}
	section->report->oom |= copy == NULL;
	return copy;
}
