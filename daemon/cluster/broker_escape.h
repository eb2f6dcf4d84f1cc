/* SPDX-License-Identifier: MIT */
/* Converts names to keys of the broker's buckets and back. Thread: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether a key may contain this byte unescaped: A-Z a-z 0-9 - _ / */
bool broker_escape_is_plain(unsigned char c);

/* Copies the text to out and escapes it: each byte that is not plain becomes
 * =XX. out needs 3 * strlen(text) + 1 bytes. Returns the end of the copy. */
char *broker_escape(char *out, const char *text);
/* Reverses broker_escape(). out needs len + 1 bytes. Returns the end of the
 * copy; NULL: the text is not what broker_escape() would write. */
char *broker_unescape(char *out, const char *text, size_t len);
