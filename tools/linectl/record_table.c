/* SPDX-License-Identifier: MIT */
/*
 * Prints tables: makes all cells, then measures and writes them. Columns are
 * two blanks apart.
 */
#include "config.h"

#include "linectl/record_table.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/memory_or_exit.h"
#include "linectl/format_number.h"

#define GAP 2

size_t table_width(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static char *table_cell(const struct table_column *column,
			const struct record *record,
			const struct answer *answer)
{
	uint64_t n, second = 0;

	if (column->cell != NULL)
		return column->cell(record, answer);
	n = record_number(record, column->value);
	if (column->second != NULL)
		second = record_number(record, column->second);
	switch (column->format) {
	case CELL_FLAG:
		return memory_format("%s", n > 0 ? column->second : "");
	case CELL_NUMBER:
		return memory_format("%" PRIu64, n);
	case CELL_OF:
		return second > 0 ? memory_format("%" PRIu64 "/%" PRIu64, n,
						  second)
				  : memory_format("%" PRIu64, n);
	case CELL_COUNT:
		return memory_format("%s", format_count(n + second).s);
	case CELL_SUM:
		return memory_format(
			"%s",
			format_count(record_sum(record, column->value)).s);
	case CELL_BYTES:
		return memory_format("%s", format_bytes(n).s);
	case CELL_TIME:
		return memory_format("%s", format_time(n).s);
	case CELL_AGE:
		return memory_format("%s", format_time(n * 1000).s);
	default:
		return memory_format("%s", record_text(record, column->value));
	}
}

/* Blanks are written only before a cell with text, so that no line ends with a
 * blank. */
static void table_write_cell(FILE *out, const struct table_column *column,
			     size_t width, const char *text, size_t *blanks)
{
	bool to_left = column->format <= CELL_FLAG;
	size_t pad = width - table_width(text);

	if (!to_left)
		*blanks += pad;
	if (text[0] != '\0') {
		fprintf(out, "%*s%s", (int)*blanks, "", text);
		*blanks = 0;
	}
	if (to_left)
		*blanks += pad;
	*blanks += GAP;
}

void table_write(FILE *out, const struct table_column *columns,
		 size_t column_count, const struct answer *answer,
		 const char *kind)
{
	size_t *widths = memory_new(column_count, sizeof(*widths));
	char **cells =
		memory_new((answer->count + 1) * column_count, sizeof(*cells));
	size_t count, blanks = 0, i, column;

	for (count = 0; count < column_count; count++)
		cells[count] = memory_format("%s", columns[count].title);
	for (i = 0; i < answer->count; i++)
		if (record_is(&answer->records[i], kind))
			for (column = 0; column < column_count; column++)
				cells[count++] =
					table_cell(&columns[column],
						   &answer->records[i], answer);
	for (i = 0; i < count; i++) {
		size_t width = table_width(cells[i]);

		if (width > widths[i % column_count])
			widths[i % column_count] = width;
	}
	for (i = 0; i < count; i++) {
		column = i % column_count;
		table_write_cell(out, &columns[column], widths[column],
				 cells[i], &blanks);
		if (column == column_count - 1) {
			fputs("\n", out);
			blanks = 0;
		}
		free(cells[i]);
	}
	free(cells);
	free(widths);
}
