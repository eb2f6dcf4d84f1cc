/* SPDX-License-Identifier: MIT */
/*
 * Writes a transcript while it is recorded. A line is written when it is whole.
 * A part of a line is written as soon as the other side sends something,
 * because that may be the answer to the part.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "linetest/bytes.h"

struct transcript_writer {
	FILE *file;
	bool failed; /* a write has failed; errno was set */
};

/* A client of the transcript. */
struct writer_client {
	char name[32];
	bool crlf;         /* the last line it sent ended with CRLF */
	struct bytes rest; /* not written yet, because the line is not whole */
	bool is_said;      /* the client has sent `rest`, not got it */
};

/* Writes a comment or a statement. */
void transcript_writer_line(struct transcript_writer *writer, const char *text);

/* The client has sent (is_said), or got, more bytes. */
void transcript_writer_bytes(struct transcript_writer *writer,
			     struct writer_client *client, bool is_said,
			     const char *data, size_t len);

/* Writes the bytes that are left, and then "NAME: ACTION". */
void transcript_writer_act(struct transcript_writer *writer,
			   struct writer_client *client, const char *action);

/* Writes the bytes that are left, and frees the client. */
void transcript_writer_client_fini(struct transcript_writer *writer,
				   struct writer_client *client);
