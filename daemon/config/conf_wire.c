/* SPDX-License-Identifier: MIT */
/*
 * A field is a length in four bytes, as many bytes, and a NUL. A tree is a
 * sequence of items in file order: a section begins, a key, a value, a section
 * ends. A file's name is written only where it changes.
 */
#include "config.h"

#include "config/conf_wire.h"

#include <stdlib.h>
#include <string.h>

#include "config/parse/conf_scan.h"
#include "memory_pool.h"

#define NO_TEXT UINT32_MAX

enum wire_item {
	WIRE_END,
	WIRE_FILE,
	WIRE_SECTION,
	WIRE_SECTION_END,
	WIRE_KEY,
	WIRE_VALUE,
};

/* ---- writing ----------------------------------------------------------- */

void wire_fini(struct wire *wire)
{
	free(wire->data);
	*wire = (struct wire){0};
}

static void wire_append(struct wire *wire, const void *bytes, size_t len)
{
	size_t room = wire->room > 0 ? wire->room : 4096;
	char *data;

	while (room - wire->len < len)
		room *= 2;
	if (room > wire->room && !wire->failed) {
		data = realloc(wire->data, room);
		wire->failed = data == NULL;
		if (data != NULL) {
			wire->data = data;
			wire->room = room;
		}
	}
	if (wire->failed || len == 0)
		return;
	memcpy(wire->data + wire->len, bytes, len);
	wire->len += len;
}

void wire_put_number(struct wire *wire, uint32_t number)
{
	wire_append(wire, &number, sizeof(number));
}

void wire_put(struct wire *wire, const void *bytes, size_t len)
{
	wire_put_number(wire, (uint32_t)len);
	wire_append(wire, bytes, len);
	wire_append(wire, "", 1);
}

void wire_put_text(struct wire *wire, const char *text)
{
	if (text != NULL)
		wire_put(wire, text, strlen(text));
	else
		wire_put_number(wire, NO_TEXT);
}

static void wire_put_messages(struct wire *wire,
			      const struct conf_messages *messages)
{
	size_t i;

	wire_put_number(wire, (uint32_t)messages->count);
	for (i = 0; i < messages->count; i++) {
		wire_put_text(wire, messages->items[i].text);
		wire_put_number(wire, messages->items[i].file_number);
		wire_put_number(wire, messages->items[i].line);
	}
}

void wire_put_errors(struct wire *wire, const struct conf_errors *errors)
{
	wire_put_messages(wire, &errors->errors);
	wire_put_messages(wire, &errors->warnings);
	wire_put_messages(wire, &errors->needs);
}

/* *file: the name written last. */
static void wire_put_item(struct wire *wire, enum wire_item item,
			  const struct conf_place *place, const char **file)
{
	if (*file != place->file) {
		*file = place->file;
		wire_put_number(wire, WIRE_FILE);
		wire_put_text(wire, place->file);
		wire_put_number(wire, place->file_number);
	}
	wire_put_number(wire, item);
	wire_put_number(wire, place->line);
}

static void wire_put_node(struct wire *wire, const struct conf_node *node,
			  const char **file)
{
	const struct conf_node *child;
	const struct conf_key *key;
	const struct conf_value *value;

	for (key = node->keys; key != NULL; key = key->next) {
		wire_put_item(wire, WIRE_KEY, &key->place, file);
		wire_put_text(wire, key->name);
		for (value = key->values; value != NULL; value = value->next) {
			wire_put_item(wire, WIRE_VALUE, &value->place, file);
			wire_put_text(wire, value->text);
		}
	}
	for (child = node->children; child != NULL; child = child->next) {
		wire_put_item(wire, WIRE_SECTION, &child->place, file);
		wire_put_text(wire, child->name);
		wire_put_text(wire, child->title);
		wire_put_node(wire, child, file);
		wire_put_number(wire, WIRE_SECTION_END);
	}
}

void wire_put_tree(struct wire *wire, const struct conf_tree *tree)
{
	const char *file = NULL;

	wire_put_node(wire, &tree->root, &file);
	wire_put_number(wire, WIRE_END);
}

/* ---- reading ----------------------------------------------------------- */

uint32_t wire_take_number(struct wire_reader *reader)
{
	uint32_t number = 0;

	if ((size_t)(reader->end - reader->at) < sizeof(number))
		reader->failed = true;
	if (reader->failed)
		return 0;
	memcpy(&number, reader->at, sizeof(number));
	reader->at += sizeof(number);
	return number;
}

const char *wire_take(struct wire_reader *reader, size_t *len)
{
	const char *text;

	*len = wire_take_number(reader);
	if (reader->failed || *len == NO_TEXT)
		return NULL;
	text = reader->at;
	if ((size_t)(reader->end - text) <= *len || text[*len] != '\0') {
		reader->failed = true;
		return NULL;
	}
	reader->at += *len + 1;
	return text;
}

const char *wire_take_text(struct wire_reader *reader)
{
	size_t len;

	return wire_take(reader, &len);
}

/* Reads a text that must not be NULL; if the text is NULL, returns "" and sets
 * `failed`. */
static const char *wire_take_name(struct wire_reader *reader)
{
	const char *text = wire_take_text(reader);

	reader->failed |= text == NULL;
	return text != NULL ? text : "";
}

static void wire_take_messages(struct wire_reader *reader,
			       struct conf_report *report,
			       struct conf_messages *to)
{
	uint32_t count = wire_take_number(reader);
	struct conf_message message;

	while (count-- > 0 && !reader->failed) {
		message.text = (char *)(uintptr_t)wire_take_name(reader);
		message.file_number = wire_take_number(reader);
		message.line = wire_take_number(reader);
		if (!reader->failed)
			conf_message_copy(report, to, &message);
	}
}

void wire_take_errors(struct wire_reader *reader, struct conf_report *report)
{
	wire_take_messages(reader, report, &report->errors->errors);
	wire_take_messages(reader, report, &report->errors->warnings);
	wire_take_messages(reader, report, &report->errors->needs);
}

/* The state of reading a tree: the open sections, and the last key. */
struct wire_tree {
	struct conf_tree *tree;
	struct conf_node *nodes[CONF_DEPTH_MAX + 2];
	size_t depth;
	struct conf_key *key;
	struct conf_value **values_end;
	struct conf_place place;
};

/* Sets failed and returns -1: any other -1 means no memory. */
static int wire_damaged(struct wire_reader *reader)
{
	reader->failed = true;
	return -1;
}

static int wire_add_section(struct wire_reader *reader, struct wire_tree *to)
{
	struct conf_node *parent = to->nodes[to->depth], *node;

	if (to->depth == CONF_DEPTH_MAX + 1)
		return wire_damaged(reader);
	node = pool_alloc(to->tree->pool, sizeof(*node));
	if (node == NULL)
		return -1;
	conf_node_init(node);
	node->name = wire_take_name(reader);
	node->title = wire_take_text(reader);
	node->place = to->place;
	*parent->children_end = node;
	parent->children_end = &node->next;
	to->nodes[++to->depth] = node;
	to->key = NULL;
	return 0;
}

static int wire_add_key(struct wire_reader *reader, struct wire_tree *to)
{
	struct conf_node *node = to->nodes[to->depth];
	struct conf_key *key = pool_alloc(to->tree->pool, sizeof(*key));

	if (key == NULL)
		return -1;
	key->name = wire_take_name(reader);
	key->place = to->place;
	*node->keys_end = key;
	node->keys_end = &key->next;
	to->key = key;
	to->values_end = &key->values;
	return 0;
}

static int wire_add_value(struct wire_reader *reader, struct wire_tree *to)
{
	struct conf_value *value;

	if (to->key == NULL)
		return wire_damaged(reader);
	value = pool_alloc(to->tree->pool, sizeof(*value));
	if (value == NULL)
		return -1;
	value->text = wire_take_name(reader);
	value->place = to->place;
	*to->values_end = value;
	to->values_end = &value->next;
	to->key->count++;
	return 0;
}

static int wire_take_item(struct wire_reader *reader, struct pool *names,
			  struct wire_tree *to, enum wire_item item)
{
	switch (item) {
	case WIRE_FILE:
		to->place.file = pool_strdup(names, wire_take_name(reader));
		to->place.file_number = wire_take_number(reader);
		return to->place.file != NULL ? 0 : -1;
	case WIRE_SECTION_END:
		to->key = NULL;
		if (to->depth == 0)
			return wire_damaged(reader);
		to->depth--;
		return 0;
	default:
		break;
	}
	to->place.line = wire_take_number(reader);
	if (to->place.file == NULL)
		return wire_damaged(reader);
	if (item == WIRE_SECTION)
		return wire_add_section(reader, to);
	return item == WIRE_KEY     ? wire_add_key(reader, to)
	       : item == WIRE_VALUE ? wire_add_value(reader, to)
				    : wire_damaged(reader);
}

int wire_take_tree(struct wire_reader *reader, struct pool *names,
		   struct conf_tree *tree)
{
	struct wire_tree to = {.tree = tree, .nodes = {&tree->root}};
	enum wire_item item;

	while ((item = (enum wire_item)wire_take_number(reader)) != WIRE_END)
		if (wire_take_item(reader, names, &to, item) < 0)
			return -1;
	if (to.depth > 0)
		return wire_damaged(reader);
	return reader->failed ? -1 : 0;
}
