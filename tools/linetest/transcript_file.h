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
struct transcript_file {
	const char *path; /* the caller's; must live as long as this struct */
	const struct transcript_file *parent; /* the file that includes it */
	struct bytes text;
	size_t at;
	/* The current line, without its end, NUL-terminated. */
	char *row;
	size_t len;
	unsigned line;
};

/* Reads all of the file. -1 and a message, to be freed, in *error. */
int transcript_file_open(struct transcript_file *file, const char *path,
			 char **error);
void transcript_file_close(struct transcript_file *file);

/* The next line, false at the end. */
bool transcript_file_next(struct transcript_file *file);

/*
 * The lines behind the current one, up to a line with a single }, not indented
 * deeper than the current one; to be freed. NULL if there is no such line.
 */
char *transcript_file_block(struct transcript_file *file);

/* The path of a file that the file `from` names: a relative name begins at the
 * directory of `from`. To be freed. */
char *transcript_file_path(const char *from, const char *name);
