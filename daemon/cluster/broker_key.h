/* SPDX-License-Identifier: MIT */
/*
 * Texts as keys of the broker. Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether it may stand in a key as it is: A-Z a-z 0-9 - _ / */
bool broker_key_is_plain(unsigned char c);

/* Writes a text as a key may contain it: other bytes as =XX. out needs
 * 3 * strlen(text) + 1 bytes. Returns the end. */
char *broker_key_escape(char *out, const char *text);
/* The reverse; out needs len + 1 bytes. NULL: broker_key_escape() does not
 * write such a text: each name has one key only. */
char *broker_key_unescape(char *out, const char *text, size_t len);
