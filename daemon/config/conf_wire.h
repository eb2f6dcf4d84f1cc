/* SPDX-License-Identifier: MIT */
/*
 * Carries a request to read a config, and the result, between two processes of
 * the same program: fields, the messages of a load and its tree. Reading
 * trusts no length.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/parse/conf_message.h"
#include "config/parse/conf_tree.h"

/* ---- writing ----------------------------------------------------------- */

/* Zeroed, it is empty. `failed` is set if there is no memory. */
struct wire {
	char *data;
	size_t len, room;
	bool failed;
};

void wire_fini(struct wire *wire);
void wire_put(struct wire *wire, const void *bytes, size_t len);
void wire_put_number(struct wire *wire, uint32_t number);
/* NULL is kept. */
void wire_put_text(struct wire *wire, const char *text);
void wire_put_errors(struct wire *wire, const struct conf_errors *errors);
void wire_put_tree(struct wire *wire, const struct conf_tree *tree);

/* ---- reading ----------------------------------------------------------- */

/* `failed`: something could not be read. */
struct wire_reader {
	const char *at, *end;
	bool failed;
};

/* A field, followed by a NUL that does not count; it stays in the memory that
 * is read. NULL: wire_put_text() wrote NULL, or the field cannot be read. */
const char *wire_take(struct wire_reader *reader, size_t *len);
const char *wire_take_text(struct wire_reader *reader);
uint32_t wire_take_number(struct wire_reader *reader);
/* Adds the messages to errors. */
void wire_take_errors(struct wire_reader *reader, struct conf_report *report);
/* Fills an empty tree, which points into the memory that is read, except for
 * the names of files: they are in the pool `names`. -1: it cannot be read
 * (`failed`), or there is no memory. */
int wire_take_tree(struct wire_reader *reader, struct pool *names,
		   struct conf_tree *tree);
