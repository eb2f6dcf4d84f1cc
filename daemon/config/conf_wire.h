/* SPDX-License-Identifier: MIT */
/*
 * Passes a request to read a config, and the result, between two processes of
 * the same program: fields, the messages of a load, and its tree. The reader
 * trusts no length in the data.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/parse/conf_message.h"
#include "config/parse/conf_tree.h"

/* ---- writing ----------------------------------------------------------- */

/* A zeroed struct is empty. failed: there was no memory. */
struct wire {
	char *data;
	size_t len, room;
	bool failed;
};

void wire_fini(struct wire *wire);
void wire_put(struct wire *wire, const void *bytes, size_t len);
void wire_put_number(struct wire *wire, uint32_t number);
/* Writes a text; NULL is read back as NULL. */
void wire_put_text(struct wire *wire, const char *text);
void wire_put_errors(struct wire *wire, const struct conf_errors *errors);
void wire_put_tree(struct wire *wire, const struct conf_tree *tree);

/* ---- reading ----------------------------------------------------------- */

/* failed: the data was damaged. */
struct wire_reader {
	const char *at, *end;
	bool failed;
};

/* Reads a field. A NUL follows the field, and the result points into the data.
 * NULL: wire_put_text() wrote NULL, or the field cannot be read. */
const char *wire_take(struct wire_reader *reader, size_t *len);
const char *wire_take_text(struct wire_reader *reader);
uint32_t wire_take_number(struct wire_reader *reader);
/* Adds the messages in the data to report. */
void wire_take_errors(struct wire_reader *reader, struct conf_report *report);
/* Fills an empty tree that points into the data; file names are copied to the
 * pool `names`. -1: the data cannot be read (`failed` is set), or there is no
 * memory. */
int wire_take_tree(struct wire_reader *reader, struct pool *names,
		   struct conf_tree *tree);
