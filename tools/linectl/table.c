/* SPDX-License-Identifier: MIT */
/*
 * Columns are two blanks apart.
 */
#include "config.h"

#include "linectl/table.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

#define GAP 2

void table_init(struct table *table, const struct table_column *columns,
		size_t count)
{
	memset(table, 0, sizeof(*table));
	table->columns = columns;
	table->column_count = count;
}

void table_fini(struct table *table)
{
	size_t i;

	for (i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	memset(table, 0, sizeof(*table));
}

void table_add(struct table *table, char *cell)
{
	table->cells = memory_grow(table->cells, table->count, &table->room,
				   sizeof(*table->cells));
	table->cells[table->count++] = cell;
}

void table_add_text(struct table *table, const char *cell)
{
	table_add(table, memory_copy(cell, strlen(cell)));
}

size_t table_width(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/* Blanks before a cell are written with it, so that no line ends with one. */
static void table_write_cell(const struct table *table, size_t column,
			     size_t width, const char *text, size_t *blanks,
			     FILE *out)
{
	size_t pad = width - table_width(text);

	if (table->columns[column].right)
		*blanks += pad;
	if (text[0] != '\0') {
		fprintf(out, "%*s%s", (int)*blanks, "", text);
		*blanks = 0;
	}
	if (!table->columns[column].right)
		*blanks += pad;
	*blanks += GAP;
	if (column + 1 == table->column_count) {
		fputs("\n", out);
		*blanks = 0;
	}
}

void table_write(const struct table *table, FILE *out)
{
	size_t columns = table->column_count, blanks = 0, i, k;
	size_t *widths = memory_new(columns, sizeof(*widths));

	for (k = 0; k < columns; k++)
		widths[k] = table_width(table->columns[k].title);
	for (i = 0; i < table->count; i++) {
		size_t width = table_width(table->cells[i]);

		if (width > widths[i % columns])
			widths[i % columns] = width;
	}
	for (k = 0; k < columns; k++)
		table_write_cell(table, k, widths[k], table->columns[k].title,
				 &blanks, out);
	for (i = 0; i < table->count; i++)
		table_write_cell(table, i % columns, widths[i % columns],
				 table->cells[i], &blanks, out);
	free(widths);
}
