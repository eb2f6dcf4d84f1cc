/* SPDX-License-Identifier: MIT */
/*
 * A file is read at once. Both LF and CRLF end a line, so that any editor may
 * write a transcript.
 */
#include "config.h"

#include "linetest/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int source_read_all(struct source *source, FILE *file)
{
	char part[16384];
	size_t got;

	while ((got = fread(part, 1, sizeof(part), file)) > 0)
		bytes_add(&source->text, part, got);
	return ferror(file) ? -1 : 0;
}

static unsigned source_line_at(const struct source *source, size_t offset)
{
	unsigned line = 1;
	size_t i;

	for (i = 0; i < offset; i++)
		line += source->text.data[i] == '\n';
	return line;
}

/* Some editors write a byte order mark before UTF-8, too. */
static void drop_byte_order_mark(struct bytes *text)
{
	static const char mark[] = "\xef\xbb\xbf";
	size_t len = sizeof(mark) - 1;

	if (text->len < len || memcmp(text->data, mark, len) != 0)
		return;
	text->len -= len;
	memmove(text->data, text->data + len, text->len + 1);
}

int source_open(struct source *source, const char *path, char **error)
{
	const char *nul;
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *file = is_stdin ? stdin : fopen(path, "re");
	int result = -1;

	memset(source, 0, sizeof(*source));
	source->path = path;
	if (file != NULL) {
		result = source_read_all(source, file);
		if (result < 0 && errno == 0)
			errno = EIO;
	}
	if (result < 0)
		*error = memory_format("%s: %s", path, strerror(errno));
	if (file != NULL && !is_stdin)
		fclose(file);
	nul = source->text.len > 0
		      ? memchr(source->text.data, '\0', source->text.len)
		      : NULL;
	if (result == 0 && nul != NULL) {
		*error = memory_format(
			"%s:%u: a NUL byte; it is written \\0", path,
			source_line_at(source,
				       (size_t)(nul - source->text.data)));
		result = -1;
	}
	if (result < 0)
		source_close(source);
	else
		drop_byte_order_mark(&source->text);
	return result;
}

void source_close(struct source *source)
{
	bytes_fini(&source->text);
}

bool source_next(struct source *source)
{
	char *end;

	if (source->at >= source->text.len)
		return false;
	source->row = source->text.data + source->at;
	end = strchr(source->row, '\n');
	if (end == NULL)
		end = source->text.data + source->text.len;
	source->at = (size_t)(end - source->text.data) + 1;
	if (end > source->row && end[-1] == '\r')
		end--;
	*end = '\0';
	source->len = (size_t)(end - source->row);
	source->line++;
	return true;
}

static size_t row_indentation(const char *row)
{
	size_t columns = 0;

	for (; *row == ' ' || *row == '\t'; row++)
		columns += *row == '\t' ? 8 - columns % 8 : 1;
	return columns;
}

static bool row_ends_block(const char *row, size_t columns)
{
	if (row_indentation(row) > columns)
		return false;
	row += strspn(row, " \t");
	return *row == '}' && row[1 + strspn(row + 1, " \t")] == '\0';
}

char *source_block(struct source *source)
{
	size_t columns = row_indentation(source->row);
	unsigned line = source->line;
	struct bytes block = {0};

	while (source_next(source)) {
		if (row_ends_block(source->row, columns))
			return bytes_take(&block);
		bytes_add(&block, source->row, source->len);
		bytes_add_byte(&block, '\n');
	}
	source->line = line;
	bytes_fini(&block);
	return NULL;
}

char *source_path(const char *from, const char *name)
{
	const char *slash = strrchr(from, '/');

	if (*name == '/' || slash == NULL)
		return memory_copy(name, strlen(name));
	return memory_format("%.*s%s", (int)(slash + 1 - from), from, name);
}
