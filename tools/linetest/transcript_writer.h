/* SPDX-License-Identifier: MIT */
/*
 * A transcript that is being written. Bytes come as they come; lines go into
 * the file when they are whole, or when something follows that may be the
 * answer to what there is.
 */
#ifndef LINETEST_TRANSCRIPT_WRITER_H
#define LINETEST_TRANSCRIPT_WRITER_H

#include <stdbool.h>
#include <stdio.h>

#include "linetest/bytes.h"

struct transcript_writer {
	FILE *file;
	bool failed; /* something could not be written; errno told why */
};

/* One client of it. */
struct transcript_client {
	char name[32];
	bool crlf;         /* what ends its lines, so far */
	struct bytes said; /* not in the file yet: no whole line */
	struct bytes seen;
};

/* A comment, or a statement, as it is. */
void transcript_write(struct transcript_writer *writer, const char *text);

/* The client, or the daemon, says more. */
void transcript_said(struct transcript_writer *writer,
		     struct transcript_client *client, const char *data,
		     size_t len);
void transcript_seen(struct transcript_writer *writer,
		     struct transcript_client *client, const char *data,
		     size_t len);

/* "NAME: ACTION", behind all that was said and seen. */
void transcript_act(struct transcript_writer *writer,
		    struct transcript_client *client, const char *action);

/* Writes what is left of lines, and forgets the client. */
void transcript_client_fini(struct transcript_writer *writer,
			    struct transcript_client *client);

#endif
