/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes bytes as a transcript has them, with escapes as in C.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "linetest/bytes.h"

/*
 * Reads one escape: *at is behind its backslash, and moves behind the escape;
 * end is the end of the text. Returns the byte, or -1 if it is none of
 * \\ \a \b \e \f \n \r \t \v \0 \" \{ \} \. \xNN.
 */
int escape_read(const char **at, const char *end);

/*
 * Adds bytes as they have to be written behind `>` or `<`. UTF-8 stays as it
 * is. Escaped are controls, bytes that are not UTF-8, a backslash, a brace that
 * could begin a name or a repetition, a text that is three dots, and a blank at
 * the end, which an editor may remove.
 */
void escape_text(struct bytes *out, const char *data, size_t len);

/* The same for a piece of a text. Three dots, and a blank at the end of the
 * piece, are not escaped. */
void escape_part(struct bytes *out, const char *data, size_t len);

/* The length of the character at data, if it is valid UTF-8 of at most len
 * bytes and may be shown as it is; else 0. */
size_t escape_plain_character(const char *data, size_t len);

/* How many columns the text takes on a terminal, one a character. */
size_t escape_columns(const char *text, size_t len);

/* Prints a message, which may quote a transcript, a server or a file name.
 * Characters that may not be shown (lined/text.h) are escaped, except newlines
 * and tabs. */
void escape_print(FILE *file, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
