/* SPDX-License-Identifier: MIT */
/*
 * Tables of records, a row each, with columns as wide as their widest cell.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "linectl/control_answer.h"

/* From CELL_NUMBER on, cells are aligned to the right. */
enum cell_format {
	CELL_TEXT,
	CELL_FLAG,   /* the text `second` if the value is true */
	CELL_NUMBER, /* 1234567 */
	CELL_OF,     /* 3/100: the value and its limit `second` */
	CELL_COUNT,  /* 1,234,567: the sum of the value and `second`, if any */
	CELL_SUM,    /* 1,234,567: the sum of the values of the group `value` */
	CELL_BYTES,  /* 1.2 MB */
	CELL_TIME,   /* 20 m 34 s, from milliseconds */
	CELL_AGE,    /* 20 m 34 s, from seconds */
};

struct table_column {
	const char *title;
	enum cell_format format;
	/* Names of the record's values, unless the format says otherwise. */
	const char *value, *second;
	/* If not NULL, returns the cell's text, to be freed. */
	char *(*cell)(const struct record *record, const struct answer *answer);
};

/* Writes the titles, and a row for each record of the kind. */
void table_write(FILE *out, const struct table_column *columns,
		 size_t column_count, const struct answer *answer,
		 const char *kind);

/* How many columns UTF-8 text takes on a terminal, one a character. */
size_t table_width(const char *text);
