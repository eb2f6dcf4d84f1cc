/* SPDX-License-Identifier: MIT */
/*
 * A file of a transcript, line by line, and the blocks in braces in it. The
 * statements are parsed elsewhere.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "linetest/bytes.h"

/* Embedded by value; lives while its file is read. */
struct source {
	const char *path; /* the caller's, for as long as the source */
	const struct source *parent; /* the file that includes it */
	struct bytes text;
	size_t at;
	/* The current line, without its end, NUL-terminated. */
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
 * The lines behind the current one, up to a line with a single }, not indented
 * deeper than the current one; to be freed. NULL if there is no such line.
 */
char *source_block(struct source *source);

/* The path of a file named in the file `from`, relative to the directory of
 * that; to be freed. */
char *source_path(const char *from, const char *name);
