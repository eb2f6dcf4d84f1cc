/* SPDX-License-Identifier: MIT */
/*
 * Encodes what two processes of the same program exchange: a request to read a
 * config, and the result, which is the messages of the load and its tree. The
 * reader trusts no length in the data.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/parse/conf_message.h"
#include "config/parse/conf_tree.h"

/* ---- writing ----------------------------------------------------------- */

/* A zeroed struct is empty. failed: there was no memory. */
struct serialized {
	char *data;
	size_t len, room;
	bool failed;
};

void serialized_fini(struct serialized *out);
void serialize_bytes(struct serialized *out, const void *bytes, size_t len);
void serialize_number(struct serialized *out, uint32_t number);
/* Writes a text; NULL is read back as NULL. */
void serialize_text(struct serialized *out, const char *text);
void serialize_errors(struct serialized *out, const struct conf_errors *errors);
void serialize_tree(struct serialized *out, const struct conf_tree *tree);

/* ---- reading ----------------------------------------------------------- */

/* failed: the data was damaged. */
struct deserializer {
	const char *at, *end;
	bool failed;
};

/* Reads a field. A NUL follows the field, and the result points into the data.
 * NULL: serialize_text() wrote NULL, or the field cannot be read. */
const char *deserialize_bytes(struct deserializer *reader, size_t *len);
const char *deserialize_text(struct deserializer *reader);
uint32_t deserialize_number(struct deserializer *reader);
/* Adds the messages in the data to report. */
void deserialize_errors(struct deserializer *reader,
			struct conf_report *report);
/* Fills an empty tree that points into the data; file names are copied to the
 * pool `names`. -1: the data cannot be read (`failed` is set), or there is no
 * memory. */
int deserialize_tree(struct deserializer *reader, struct pool *names,
		     struct conf_tree *tree);
