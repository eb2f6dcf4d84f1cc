/* SPDX-License-Identifier: MIT */
/*
 * Text of clients: UTF-8 as RFC 3629 defines it, and which of it may be shown.
 * A terminal obeys control characters, and some characters that print nothing
 * change how the rest of a line looks; so what one client sends is cleaned
 * before another one, a log or an operator sees it.
 *
 * These functions keep nothing and ask no locale. Thread: any.
 */
#ifndef LINED_TEXT_H
#define LINED_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/api.h>

LINED_BEGIN_DECLS

/* What lined_text_decode() gives for bytes that are not UTF-8. */
#define LINED_TEXT_BAD UINT32_C(0xffffffff)

/*
 * Decodes the first character of len bytes, 1 and up: returns its length, 1 to
 * 4, and puts its code point into *code. If they do not begin with a
 * character, *code is LINED_TEXT_BAD and the result is how many bytes one
 * U+FFFD stands for: as many as could begin a character, or 1. Too long forms,
 * surrogates and what is beyond U+10FFFF are not characters.
 */
LINED_API size_t lined_text_decode(const char *text, size_t len,
				   uint32_t *code);

/*
 * Whether a code point may be shown. Not shown are the controls (C0, DEL, C1),
 * the bidirectional controls of Unicode, the separators of lines and
 * paragraphs, the byte order mark and LINED_TEXT_BAD.
 */
LINED_API bool lined_text_is_shown(uint32_t code);

/* Whether lined_text_clean() would change nothing. */
LINED_API bool lined_text_is_clean(const char *text, size_t len);

/* How many bytes lined_text_clean() may write for a text of len bytes. */
#define LINED_TEXT_CLEAN_ROOM(len) (3 * (len) + 1)

/*
 * Cleans a text for the terminals of other clients: a tab becomes a space,
 * what else may not be shown is removed, and U+FFFD takes the place of bytes
 * that are not UTF-8. Writes it to out, with a NUL, and returns its length. out
 * has LINED_TEXT_CLEAN_ROOM(len) bytes; text may be at its byte 2 * len, and
 * must not overlap it otherwise.
 */
LINED_API size_t lined_text_clean(char *out, const char *text, size_t len);

/*
 * Escapes a text for a log or an operator, so that its bytes can be told from
 * what is written: \n \r \t \\, and \xNN for each byte that is not UTF-8 or of
 * a character that may not be shown. Writes at most size bytes (1 and up), a
 * NUL at the end, and returns the length. What does not fit is left out, never
 * within a character or escape, and "..." is put in its place. A byte becomes
 * 4 bytes at most.
 */
LINED_API size_t lined_text_escape(char *out, size_t size, const char *text,
				   size_t len);

/* The same, but a backslash stays as it is: for a message whose parts have been
 * escaped. */
LINED_API size_t lined_text_escape_rest(char *out, size_t size,
					const char *text, size_t len);

LINED_END_DECLS

#endif
