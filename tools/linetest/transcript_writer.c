/* SPDX-License-Identifier: MIT */
/*
 * Writes a transcript while it is recorded. Flushes each line, so that the file
 * is complete even if linetest is killed.
 */
#include "config.h"

#include "linetest/transcript_writer.h"

#include <stdlib.h>
#include <string.h>

#include "linetest/escape.h"

void transcript_writer_line(struct transcript_writer *writer, const char *text)
{
	if (fprintf(writer->file, "%s\n", text) < 0 ||
	    fflush(writer->file) != 0)
		writer->failed = true;
}

/* Writes a line, or bytes without a line end. For the latter the sign is
 * doubled: >> or <<. */
static void writer_write(struct transcript_writer *writer,
			 const struct writer_client *client, bool is_line,
			 const char *data, size_t len)
{
	const char *sign = client->is_said ? ">" : "<";
	struct bytes row = {0};

	bytes_add_format(&row, "%s%s%s%s", client->name, sign,
			 is_line ? "" : sign, len > 0 ? " " : "");
	escape_text(&row, data, len);
	transcript_writer_line(writer, bytes_text(&row));
	bytes_fini(&row);
}

/* Writes a whole line and, before it, a statement if the client now ends its
 * lines with another terminator. */
static void writer_write_line(struct transcript_writer *writer,
			      struct writer_client *client, const char *data,
			      size_t len)
{
	bool crlf = len > 0 && data[len - 1] == '\r';

	if (client->is_said && crlf != client->crlf) {
		client->crlf = crlf;
		fprintf(writer->file, "%s: terminator %s\n", client->name,
			crlf ? "crlf" : "lf");
	}
	writer_write(writer, client, true, data, len - crlf);
}

static void writer_flush(struct transcript_writer *writer,
			 struct writer_client *client)
{
	struct bytes *rest = &client->rest;

	if (rest->len > 0)
		writer_write(writer, client, false, rest->data, rest->len);
	bytes_clear(rest);
}

void transcript_writer_bytes(struct transcript_writer *writer,
			     struct writer_client *client, bool is_said,
			     const char *data, size_t len)
{
	struct bytes *rest = &client->rest;
	const char *lf;
	size_t at = 0, size;

	if (client->is_said != is_said)
		writer_flush(writer, client);
	client->is_said = is_said;
	bytes_add(rest, data, len);
	while ((lf = memchr(rest->data + at, '\n', rest->len - at)) != NULL) {
		size = (size_t)(lf - rest->data) - at;
		writer_write_line(writer, client, rest->data + at, size);
		at += size + 1;
	}
	bytes_drop(rest, at);
}

void transcript_writer_act(struct transcript_writer *writer,
			   struct writer_client *client, const char *action)
{
	char *row = memory_format("%s: %s", client->name, action);

	writer_flush(writer, client);
	transcript_writer_line(writer, row);
	free(row);
}

void transcript_writer_client_fini(struct transcript_writer *writer,
				   struct writer_client *client)
{
	writer_flush(writer, client);
	bytes_fini(&client->rest);
}
