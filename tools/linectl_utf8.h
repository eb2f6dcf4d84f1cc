/* SPDX-License-Identifier: MIT */
/*
 * UTF-8, which JSON is made of: paths and arguments are any bytes.
 */
#ifndef LINECTL_UTF8_H
#define LINECTL_UTF8_H

#include <stddef.h>

/* What is none becomes a question mark, byte by byte. */
void utf8_mend(char *text, size_t len);

#endif
