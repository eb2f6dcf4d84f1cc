/* SPDX-License-Identifier: MIT */
/*
 * A transcript that is being written. Bytes come as they come; lines go into
 * the file when they are whole, or when something follows that may be the
 * answer to what there is.
 */
#ifndef LINETEST_TAPE_H
#define LINETEST_TAPE_H

#include <stdbool.h>
#include <stdio.h>

#include "linetest/bytes.h"

struct tape {
	FILE *file;
	bool failed; /* something could not be written; errno told why */
};

/* One client of it. */
struct tape_client {
	char name[32];
	bool crlf;         /* what ends its lines, so far */
	struct bytes said; /* not in the file yet: no whole line */
	struct bytes seen;
};

/* A comment, or a statement, as it is. */
void tape_write(struct tape *tape, const char *text);

/* The client, or the daemon, says more. */
void tape_said(struct tape *tape, struct tape_client *client, const char *data,
	       size_t len);
void tape_seen(struct tape *tape, struct tape_client *client, const char *data,
	       size_t len);

/* "NAME: ACTION", behind all that was said and seen. */
void tape_act(struct tape *tape, struct tape_client *client,
	      const char *action);

/* Writes what is left of lines, and forgets the client. */
void tape_client_fini(struct tape *tape, struct tape_client *client);

#endif
