/* SPDX-License-Identifier: MIT */
/*
 * Makes text safe for a terminal, and for JSON, which is UTF-8. Paths,
 * arguments and the lines of clients may contain any bytes, for instance escape
 * sequences.
 */
#pragma once

#include <stddef.h>

/* Replaces bytes that are not UTF-8 by question marks. */
void utf8_mend(char *text, size_t len);

/* How many bytes utf8_show() may write for one byte. */
#define UTF8_SHOWN 4

/*
 * Writes the text for a terminal, and a NUL. Returns the length without the
 * NUL. Characters that control the terminal or change how the rest looks, and
 * bytes that are not UTF-8, are escaped as in the daemon's log: \n, \x1b.
 */
size_t utf8_show(char *to, const char *text);

/* Returns what utf8_show() writes, as a new string, to be freed. */
char *utf8_shown(const char *text);
