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

static void writer_write_text(struct transcript_writer *writer,
			      const struct writer_client *client,
			      const char *sign, const char *data, size_t len)
{
	struct bytes row = {0};

	bytes_add_format(&row, "%s%s%s", client->name, sign,
			 len > 0 ? " " : "");
	escape_text(&row, data, len);
	transcript_writer_line(writer, bytes_text(&row));
	bytes_fini(&row);
}

/* Writes the terminator of a client's lines when it changes. */
static void writer_write_said(struct transcript_writer *writer,
			      struct writer_client *client, const char *data,
			      size_t len)
{
	bool crlf = len > 0 && data[len - 1] == '\r';

	if (crlf != client->crlf) {
		client->crlf = crlf;
		fprintf(writer->file, "%s: terminator %s\n", client->name,
			crlf ? "crlf" : "lf");
	}
	writer_write_text(writer, client, ">", data, len - crlf);
}

static void writer_write_seen(struct transcript_writer *writer,
			      struct writer_client *client, const char *data,
			      size_t len)
{
	bool crlf = len > 0 && data[len - 1] == '\r';

	writer_write_text(writer, client, "<", data, len - crlf);
}

/* Writes the rest of the bytes, which is no whole line. */
static void writer_flush_rest(struct transcript_writer *writer,
			      struct writer_client *client, const char *sign,
			      struct bytes *rest)
{
	if (rest->len > 0)
		writer_write_text(writer, client, sign, rest->data, rest->len);
	bytes_clear(rest);
}

/* Writes the whole lines and removes them. */
static void
writer_take_lines(struct transcript_writer *writer,
		  struct writer_client *client, struct bytes *bytes,
		  void (*write_line)(struct transcript_writer *writer,
				     struct writer_client *client,
				     const char *data, size_t len))
{
	const char *at = bytes->data, *end = bytes->data + bytes->len, *lf;
	size_t left;

	while (at < end &&
	       (lf = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		write_line(writer, client, at, (size_t)(lf - at));
		at = lf + 1;
	}
	left = (size_t)(end - at);
	memmove(bytes->data, at, left);
	bytes->len = left;
	bytes->data[left] = '\0';
}

void transcript_writer_said(struct transcript_writer *writer,
			    struct writer_client *client, const char *data,
			    size_t len)
{
	writer_flush_rest(writer, client, "<<", &client->seen);
	bytes_add(&client->said, data, len);
	writer_take_lines(writer, client, &client->said, writer_write_said);
}

void transcript_writer_seen(struct transcript_writer *writer,
			    struct writer_client *client, const char *data,
			    size_t len)
{
	writer_flush_rest(writer, client, ">>", &client->said);
	bytes_add(&client->seen, data, len);
	writer_take_lines(writer, client, &client->seen, writer_write_seen);
}

static void writer_flush_client(struct transcript_writer *writer,
				struct writer_client *client)
{
	writer_flush_rest(writer, client, ">>", &client->said);
	writer_flush_rest(writer, client, "<<", &client->seen);
}

void transcript_writer_act(struct transcript_writer *writer,
			   struct writer_client *client, const char *action)
{
	char *row = memory_format("%s: %s", client->name, action);

	writer_flush_client(writer, client);
	transcript_writer_line(writer, row);
	free(row);
}

void transcript_writer_client_fini(struct transcript_writer *writer,
				   struct writer_client *client)
{
	writer_flush_client(writer, client);
	bytes_fini(&client->said);
	bytes_fini(&client->seen);
}
