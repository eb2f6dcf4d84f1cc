/* SPDX-License-Identifier: MIT */
/*
 * Writes transcripts, flushing each line: whatever ends the recording, the
 * file is whole up to there.
 */
#include "config.h"

#include "linetest/tape.h"

#include <stdlib.h>
#include <string.h>

#include "linetest/text.h"

void tape_write(struct tape *tape, const char *text)
{
	if (fprintf(tape->file, "%s\n", text) < 0 || fflush(tape->file) != 0)
		tape->failed = true;
}

static void write_text(struct tape *tape, const struct tape_client *client,
		       const char *sign, const char *data, size_t len)
{
	struct bytes row = {0};

	bytes_add_format(&row, "%s%s%s", client->name, sign,
			 len > 0 ? " " : "");
	text_show(&row, data, len);
	tape_write(tape, bytes_text(&row));
	bytes_fini(&row);
}

/* What a client's lines end with is said where it changes. */
static void write_said(struct tape *tape, struct tape_client *client,
		       const char *data, size_t len)
{
	bool crlf = len > 0 && data[len - 1] == '\r';

	if (crlf != client->crlf) {
		client->crlf = crlf;
		fprintf(tape->file, "%s: terminator %s\n", client->name,
			crlf ? "crlf" : "lf");
	}
	write_text(tape, client, ">", data, len - crlf);
}

static void write_seen(struct tape *tape, struct tape_client *client,
		       const char *data, size_t len)
{
	bool crlf = len > 0 && data[len - 1] == '\r';

	write_text(tape, client, "<", data, len - crlf);
}

/* What has no line end yet, as bytes. */
static void flush_rest(struct tape *tape, struct tape_client *client,
		       const char *sign, struct bytes *rest)
{
	if (rest->len > 0)
		write_text(tape, client, sign, rest->data, rest->len);
	bytes_clear(rest);
}

/* Takes the whole lines from the beginning. */
static void
take_lines(struct tape *tape, struct tape_client *client, struct bytes *bytes,
	   void (*write_line)(struct tape *tape, struct tape_client *client,
			      const char *data, size_t len))
{
	const char *at = bytes->data, *end = bytes->data + bytes->len, *lf;
	size_t left;

	while (at < end &&
	       (lf = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		write_line(tape, client, at, (size_t)(lf - at));
		at = lf + 1;
	}
	left = (size_t)(end - at);
	memmove(bytes->data, at, left);
	bytes->len = left;
	bytes->data[left] = '\0';
}

void tape_said(struct tape *tape, struct tape_client *client, const char *data,
	       size_t len)
{
	flush_rest(tape, client, "<<", &client->seen);
	bytes_add(&client->said, data, len);
	take_lines(tape, client, &client->said, write_said);
}

void tape_seen(struct tape *tape, struct tape_client *client, const char *data,
	       size_t len)
{
	flush_rest(tape, client, ">>", &client->said);
	bytes_add(&client->seen, data, len);
	take_lines(tape, client, &client->seen, write_seen);
}

static void flush_all(struct tape *tape, struct tape_client *client)
{
	flush_rest(tape, client, ">>", &client->said);
	flush_rest(tape, client, "<<", &client->seen);
}

void tape_act(struct tape *tape, struct tape_client *client, const char *action)
{
	char *row = memory_format("%s: %s", client->name, action);

	flush_all(tape, client);
	tape_write(tape, row);
	free(row);
}

void tape_client_fini(struct tape *tape, struct tape_client *client)
{
	flush_all(tape, client);
	bytes_fini(&client->said);
	bytes_fini(&client->seen);
}
