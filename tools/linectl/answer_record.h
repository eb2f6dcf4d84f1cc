/* SPDX-License-Identifier: MIT */
/*
 * A record of the control protocol, read from its line of JSON:
 *
 *	{"kind":"client","id":42,"service":"echo","closed":{"peer":3}}
 *
 * A member of a nested object is a value whose name has two parts,
 * "closed.peer". The line may contain any bytes: texts are escaped for a
 * terminal (linectl/utf8.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_type {
	VALUE_TEXT, /* also for a list of texts, joined by blanks */
	VALUE_NUMBER,
	VALUE_FLAG,
};

struct value {
	char *name;
	enum value_type type;
	const char *text;  /* escaped for a terminal */
	const char *exact; /* the text, not escaped */
	uint64_t number;   /* a flag is 0 or 1 */
};

struct record {
	const char *kind;
	struct value *values;
	size_t count, room;
	const char *members; /* the rest of the line after "kind" */
	char *memory;        /* holds the texts */
};

/* -1: the line is no record. */
int record_parse(struct record *record, const char *line, size_t len);
void record_fini(struct record *record);

bool record_is(const struct record *record, const char *kind);

/* The value of this name; NULL: there is none. */
const struct value *record_find(const struct record *record, const char *name);

/* "" or 0 if there is no value of this name and type; a flag is 1 or 0. */
const char *record_text(const struct record *record, const char *name);
/* The text without escaping: not for a terminal. */
const char *record_exact(const struct record *record, const char *name);
uint64_t record_number(const struct record *record, const char *name);

/* The sum of all numbers "group.NAME". */
uint64_t record_sum(const struct record *record, const char *group);
