/* SPDX-License-Identifier: MIT */
/*
 * The lines of one file of a transcript, and the blocks in braces among them.
 * Knows nothing of what a line says.
 */
#ifndef LINETEST_SOURCE_H
#define LINETEST_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "linetest/bytes.h"

/* Embedded by value; lives while its file is read. */
struct source {
	const char *path; /* the caller's, for as long as the source */
	const struct source *parent; /* the file that includes it */
	struct bytes text;
	size_t at;
	/* The line read last: without its end, NUL-terminated. */
	char *row;
	size_t len;
	unsigned line;
};

/* Reads all of the file. -1 and a message, to be freed, in *error. */
int source_open(struct source *source, const char *path, char **error);
void source_close(struct source *source);

/* The next line, false at the end. */
bool source_next(struct source *source);

/*
 * The lines from the next one on to that which is a } indented no deeper than
 * the line read last, without it; to be freed. NULL where there is no end.
 */
char *source_block(struct source *source);

/* The path of a file that is named in a file: from the latter's directory,
 * unless it is absolute; to be freed. */
char *source_path(const char *from, const char *name);

#endif
