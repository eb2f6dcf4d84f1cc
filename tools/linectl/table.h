/* SPDX-License-Identifier: MIT */
/*
 * Tables of text: columns as wide as what is in them, numbers to the right.
 * Knows nothing of what it shows.
 */
#ifndef LINECTL_TABLE_H
#define LINECTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table_column {
	const char *title;
	bool right; /* aligned */
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

/* Adds the next cell, which is the table's. */
void table_add(struct table *table, char *cell);
void table_add_text(struct table *table, const char *cell);

/* Writes it; without rows, only its head. */
void table_write(const struct table *table, FILE *out);

/* How many places a UTF-8 text takes on a terminal; one a character. */
size_t table_width(const char *text);

#endif
