/* SPDX-License-Identifier: MIT */
/*
 * Writes transcripts, flushing each line: whatever ends the recording, the
 * file is whole up to there.
 */
#include "config.h"

#include "linetest/transcript_writer.h"

#include <stdlib.h>
#include <string.h>

#include "linetest/text.h"

void transcript_write(struct transcript_writer *writer, const char *text)
{
	if (fprintf(writer->file, "%s\n", text) < 0 ||
	    fflush(writer->file) != 0)
		writer->failed = true;
}

static void write_text(struct transcript_writer *writer,
		       const struct transcript_client *client, const char *sign,
		       const char *data, size_t len)
{
	struct bytes row = {0};

	bytes_add_format(&row, "%s%s%s", client->name, sign,
			 len > 0 ? " " : "");
	text_show(&row, data, len);
	transcript_write(writer, bytes_text(&row));
	bytes_fini(&row);
}

/* What a client's lines end with is said where it changes. */
static void write_said(struct transcript_writer *writer,
		       struct transcript_client *client, const char *data,
		       size_t len)
{
	bool crlf = len > 0 && data[len - 1] == '\r';

	if (crlf != client->crlf) {
		client->crlf = crlf;
		fprintf(writer->file, "%s: terminator %s\n", client->name,
			crlf ? "crlf" : "lf");
	}
	write_text(writer, client, ">", data, len - crlf);
}

static void write_seen(struct transcript_writer *writer,
		       struct transcript_client *client, const char *data,
		       size_t len)
{
	bool crlf = len > 0 && data[len - 1] == '\r';

	write_text(writer, client, "<", data, len - crlf);
}

/* What has no line end yet, as bytes. */
static void flush_rest(struct transcript_writer *writer,
		       struct transcript_client *client, const char *sign,
		       struct bytes *rest)
{
	if (rest->len > 0)
		write_text(writer, client, sign, rest->data, rest->len);
	bytes_clear(rest);
}

/* Takes the whole lines from the beginning. */
static void take_lines(struct transcript_writer *writer,
		       struct transcript_client *client, struct bytes *bytes,
		       void (*write_line)(struct transcript_writer *writer,
					  struct transcript_client *client,
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

void transcript_said(struct transcript_writer *writer,
		     struct transcript_client *client, const char *data,
		     size_t len)
{
	flush_rest(writer, client, "<<", &client->seen);
	bytes_add(&client->said, data, len);
	take_lines(writer, client, &client->said, write_said);
}

void transcript_seen(struct transcript_writer *writer,
		     struct transcript_client *client, const char *data,
		     size_t len)
{
	flush_rest(writer, client, ">>", &client->said);
	bytes_add(&client->seen, data, len);
	take_lines(writer, client, &client->seen, write_seen);
}

static void flush_all(struct transcript_writer *writer,
		      struct transcript_client *client)
{
	flush_rest(writer, client, ">>", &client->said);
	flush_rest(writer, client, "<<", &client->seen);
}

void transcript_act(struct transcript_writer *writer,
		    struct transcript_client *client, const char *action)
{
	char *row = memory_format("%s: %s", client->name, action);

	flush_all(writer, client);
	transcript_write(writer, row);
	free(row);
}

void transcript_client_fini(struct transcript_writer *writer,
			    struct transcript_client *client)
{
	flush_all(writer, client);
	bytes_fini(&client->said);
	bytes_fini(&client->seen);
}
