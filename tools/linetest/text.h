/* SPDX-License-Identifier: MIT */
/*
 * Bytes as a transcript writes them: what is no plain text stands as an escape
 * of C. Reading them is the template's business, which has names too.
 */
#ifndef LINETEST_TEXT_H
#define LINETEST_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "linetest/bytes.h"

/*
 * Reads one escape, *at being behind its backslash and moved behind its end;
 * end is the end of the text. The byte, or -1 where it is none of
 * \\ \a \b \e \f \n \r \t \v \0 \" \{ \} \. \xNN.
 */
int text_read_escape(const char **at, const char *end);

/*
 * Adds bytes as they would have to be written behind `>` or `<`: good UTF-8 as
 * it is, controls and all else as escapes, and so what would be read as a name
 * in braces, as three dots, or is lost to an editor, as blanks at the end are.
 */
void text_show(struct bytes *out, const char *data, size_t len);

/* The same for what more text follows on. */
void text_show_part(struct bytes *out, const char *data, size_t len);

/* The length of the good UTF-8 character at data, of at most len bytes, that
 * may be shown as it is; 0 where there is none. */
size_t text_character(const char *data, size_t len);

/* How many columns shown text takes: its characters. */
size_t text_columns(const char *text, size_t len);

/* The length of the name of a client or a value that text begins with: a
 * letter, then letters, digits, _ and -. 0: there is none. */
size_t text_name(const char *text, const char *end);

/* Reads "100ms", "2s", "1m" or bare seconds, a day at most. False: it is
 * something else. */
bool text_duration(const char *text, uint32_t *ms);

#endif
