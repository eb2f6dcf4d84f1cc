/* SPDX-License-Identifier: MIT */
/*
 * UTF-8, which JSON is made of: paths and arguments are any bytes. And what of
 * it a terminal may be given: whoever sits at a control socket could command it
 * otherwise.
 */
#ifndef LINECTL_UTF8_H
#define LINECTL_UTF8_H

#include <stddef.h>

/* What is none becomes a question mark, byte by byte. */
void utf8_mend(char *text, size_t len);

/* So many bytes may become of each by utf8_show(). */
#define UTF8_SHOWN 4

/*
 * Writes the text as a terminal may be given it, and a NUL; its length. What
 * controls it or changes how the rest looks, and what is no UTF-8, is written
 * as in the daemon's log: \n, \x1b.
 */
size_t utf8_show(char *to, const char *text);

/* The same, to be freed. */
char *utf8_shown(const char *text);

#endif
