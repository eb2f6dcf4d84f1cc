/* SPDX-License-Identifier: MIT */
/*
 * Writes and reads numbers and fields. A number has four bytes. A field is a
 * number, its length, then as many bytes, then a NUL. A tree is a sequence of
 * items: begin of a section, key, value, end of a section. The keys of a
 * section precede its inner sections. A file's name is written only where it
 * changes.
 */
#include "config.h"

#include "config/conf_serialize.h"

#include <stdlib.h>
#include <string.h>

#include "memory_pool.h"

#define NO_TEXT UINT32_MAX

enum serialized_item {
	SERIALIZED_END,
	SERIALIZED_FILE,
	SERIALIZED_SECTION,
	SERIALIZED_SECTION_END,
	SERIALIZED_KEY,
	SERIALIZED_VALUE,
};

/* ---- writing ----------------------------------------------------------- */

void serialized_fini(struct serialized *out)
{
	free(out->data);
	*out = (struct serialized){0};
}

static void serialize_append(struct serialized *out, const void *bytes,
			     size_t len)
{
	size_t room = out->room > 0 ? out->room : 4096;
	char *data;

	while (room - out->len < len)
		room *= 2;
	if (room > out->room && !out->failed) {
		data = realloc(out->data, room);
		out->failed = data == NULL;
		if (data != NULL) {
			out->data = data;
			out->room = room;
		}
	}
	if (out->failed || len == 0)
		return;
	memcpy(out->data + out->len, bytes, len);
	out->len += len;
}

void serialize_number(struct serialized *out, uint32_t number)
{
	serialize_append(out, &number, sizeof(number));
}

void serialize_bytes(struct serialized *out, const void *bytes, size_t len)
{
	serialize_number(out, (uint32_t)len);
	serialize_append(out, bytes, len);
	serialize_append(out, "", 1);
}

void serialize_text(struct serialized *out, const char *text)
{
	if (text != NULL)
		serialize_bytes(out, text, strlen(text));
	else
		serialize_number(out, NO_TEXT);
}

static void serialize_messages(struct serialized *out,
			       const struct conf_messages *messages)
{
	size_t i;

	serialize_number(out, (uint32_t)messages->count);
	for (i = 0; i < messages->count; i++) {
		serialize_text(out, messages->items[i].text);
		serialize_number(out, messages->items[i].file_number);
		serialize_number(out, messages->items[i].line);
	}
}

void serialize_errors(struct serialized *out, const struct conf_errors *errors)
{
	serialize_messages(out, &errors->errors);
	serialize_messages(out, &errors->warnings);
	serialize_messages(out, &errors->needs);
}

/* *file: the name written last. */
static void serialize_item(struct serialized *out, enum serialized_item item,
			   const struct conf_place *place, const char **file)
{
	if (*file != place->file) {
		*file = place->file;
		serialize_number(out, SERIALIZED_FILE);
		serialize_text(out, place->file);
		serialize_number(out, place->file_number);
	}
	serialize_number(out, item);
	serialize_number(out, place->line);
}

static void serialize_node(struct serialized *out, const struct conf_node *node,
			   const char **file)
{
	const struct conf_node *child;
	const struct conf_key *key;
	const struct conf_value *value;

	for (key = node->keys; key != NULL; key = key->next) {
		serialize_item(out, SERIALIZED_KEY, &key->place, file);
		serialize_text(out, key->name);
		for (value = key->values; value != NULL; value = value->next) {
			serialize_item(out, SERIALIZED_VALUE, &value->place,
				       file);
			serialize_text(out, value->text);
		}
	}
	for (child = node->children; child != NULL; child = child->next) {
		serialize_item(out, SERIALIZED_SECTION, &child->place, file);
		serialize_text(out, child->name);
		serialize_text(out, child->title);
		serialize_node(out, child, file);
		serialize_number(out, SERIALIZED_SECTION_END);
	}
}

void serialize_tree(struct serialized *out, const struct conf_tree *tree)
{
	const char *file = NULL;

	serialize_node(out, &tree->root, &file);
	serialize_number(out, SERIALIZED_END);
}

/* ---- reading ----------------------------------------------------------- */

uint32_t deserialize_number(struct deserializer *reader)
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

const char *deserialize_bytes(struct deserializer *reader, size_t *len)
{
	const char *text;

	*len = deserialize_number(reader);
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

const char *deserialize_text(struct deserializer *reader)
{
	size_t len;

	return deserialize_bytes(reader, &len);
}

/* Reads a text that must not be NULL; if the text is NULL, returns "" and sets
 * `failed`. */
static const char *deserialize_name(struct deserializer *reader)
{
	const char *text = deserialize_text(reader);

	reader->failed |= text == NULL;
	return text != NULL ? text : "";
}

static void deserialize_messages(struct deserializer *reader,
				 struct conf_report *report,
				 struct conf_messages *to)
{
	uint32_t count = deserialize_number(reader);
	struct conf_message message;

	while (count-- > 0 && !reader->failed) {
		message.text = (char *)(uintptr_t)deserialize_name(reader);
		message.file_number = deserialize_number(reader);
		message.line = deserialize_number(reader);
		if (!reader->failed)
			conf_message_copy(report, to, &message);
	}
}

void deserialize_errors(struct deserializer *reader, struct conf_report *report)
{
	deserialize_messages(reader, report, &report->errors->errors);
	deserialize_messages(reader, report, &report->errors->warnings);
	deserialize_messages(reader, report, &report->errors->needs);
}

/* Sets `failed` and returns -1. If a function below returns -1 and `failed` is
 * not set, there is no memory. */
static int deserialize_fail(struct deserializer *reader)
{
	reader->failed = true;
	return -1;
}

static int deserialize_item(struct deserializer *reader, struct pool *names,
			    struct conf_tree_writer *to,
			    struct conf_place *place, enum serialized_item item)
{
	const char *name;

	switch (item) {
	case SERIALIZED_FILE:
		place->file = pool_strdup(names, deserialize_name(reader));
		place->file_number = deserialize_number(reader);
		return place->file != NULL ? 0 : -1;
	case SERIALIZED_SECTION_END:
		if (to->depth == 0)
			return deserialize_fail(reader);
		conf_tree_close(to);
		return 0;
	default:
		break;
	}
	place->line = deserialize_number(reader);
	name = deserialize_name(reader);
	if (place->file == NULL)
		return deserialize_fail(reader);
	if (item == SERIALIZED_KEY)
		return conf_tree_add_key(to, name, *place);
	if (item == SERIALIZED_VALUE && to->key != NULL)
		return conf_tree_add_value(to, name, *place);
	if (item == SERIALIZED_SECTION && to->depth < CONF_DEPTH_MAX)
		return conf_tree_open(to, name, deserialize_text(reader),
				      *place);
	return deserialize_fail(reader);
}

int deserialize_tree(struct deserializer *reader, struct pool *names,
		     struct conf_tree *tree)
{
	struct conf_place place = {NULL, 0, 0};
	struct conf_tree_writer to;
	enum serialized_item item;

	conf_tree_begin(&to, tree);
	while ((item = (enum serialized_item)deserialize_number(reader)) !=
	       SERIALIZED_END)
		if (deserialize_item(reader, names, &to, &place, item) < 0)
			return -1;
	if (to.depth > 0)
		return deserialize_fail(reader);
	return reader->failed ? -1 : 0;
}
