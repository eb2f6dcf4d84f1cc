/* SPDX-License-Identifier: MIT */
/*
 * Tables of text, with columns as wide as their widest cell.
 */
#ifndef LINECTL_TABLE_H
#define LINECTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table_column {
	const char *title;
	bool right; /* align to the right */
};

struct table {
	const struct table_column *columns;
	size_t column_count;
	char **cells; /* row by row */
	size_t count, room;
};

void table_init(struct table *table, const struct table_column *columns,
		size_t count);
void table_fini(struct table *table);

/* Add the next cell, row by row; the table frees it, or copies the text. */
void table_add(struct table *table, char *cell);
void table_add_text(struct table *table, const char *cell);

/* Writes the titles and the rows. */
void table_write(const struct table *table, FILE *out);

/* How many columns UTF-8 text takes on a terminal, one a character. */
size_t table_width(const char *text);

#endif
