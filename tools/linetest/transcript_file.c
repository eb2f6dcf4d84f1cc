/* SPDX-License-Identifier: MIT */
/*
 * Reads a file of a transcript, all at once, and gives its lines. Both LF and
 * CRLF end a line, so that any editor may write a transcript.
 */
#include "config.h"

#include "linetest/transcript_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int transcript_file_read_all(struct transcript_file *file, FILE *stream)
{
	char part[16384];
	size_t got;

	while ((got = fread(part, 1, sizeof(part), stream)) > 0)
		bytes_add(&file->text, part, got);
	return ferror(stream) ? -1 : 0;
}

static unsigned transcript_file_line_at(const struct transcript_file *file,
					size_t offset)
{
	unsigned line = 1;
	size_t i;

	for (i = 0; i < offset; i++)
		line += file->text.data[i] == '\n';
	return line;
}

/* Some editors write a byte order mark before UTF-8. */
static void drop_byte_order_mark(struct bytes *text)
{
	static const char mark[] = "\xef\xbb\xbf";

	if (strncmp(bytes_text(text), mark, strlen(mark)) == 0)
		bytes_drop(text, strlen(mark));
}

int transcript_file_open(struct transcript_file *file, const char *path,
			 char **error)
{
	const char *nul;
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *stream = is_stdin ? stdin : fopen(path, "re");
	int result = -1;

	memset(file, 0, sizeof(*file));
	file->path = path;
	if (stream != NULL) {
		result = transcript_file_read_all(file, stream);
		if (result < 0 && errno == 0)
			errno = EIO;
	}
	if (result < 0)
		*error = memory_format("%s: %s", path, strerror(errno));
	if (stream != NULL && !is_stdin)
		fclose(stream);
	nul = file->text.len > 0 ? memchr(file->text.data, '\0', file->text.len)
				 : NULL;
	if (result == 0 && nul != NULL) {
		*error = memory_format(
			"%s:%u: a NUL byte; it is written \\0", path,
			transcript_file_line_at(
				file, (size_t)(nul - file->text.data)));
		result = -1;
	}
	if (result < 0)
		transcript_file_close(file);
	else
		drop_byte_order_mark(&file->text);
	return result;
}

void transcript_file_close(struct transcript_file *file)
{
	bytes_fini(&file->text);
}

bool transcript_file_next(struct transcript_file *file)
{
	char *end;

	if (file->at >= file->text.len)
		return false;
	file->row = file->text.data + file->at;
	end = strchr(file->row, '\n');
	if (end == NULL)
		end = file->text.data + file->text.len;
	file->at = (size_t)(end - file->text.data) + 1;
	if (end > file->row && end[-1] == '\r')
		end--;
	*end = '\0';
	file->len = (size_t)(end - file->row);
	file->line++;
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

char *transcript_file_block(struct transcript_file *file)
{
	size_t columns = row_indentation(file->row);
	unsigned line = file->line;
	struct bytes block = {0};

	while (transcript_file_next(file)) {
		if (row_ends_block(file->row, columns))
			return bytes_take(&block);
		bytes_add(&block, file->row, file->len);
		bytes_add_byte(&block, '\n');
	}
	file->line = line;
	bytes_fini(&block);
	return NULL;
}

char *transcript_file_path(const char *from, const char *name)
{
	const char *slash = strrchr(from, '/');

	if (*name == '/' || slash == NULL)
		return memory_copy(name, strlen(name));
	return memory_format("%.*s%s", (int)(slash + 1 - from), from, name);
}
