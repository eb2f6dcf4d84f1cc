/* SPDX-License-Identifier: MIT */
/*
 * The text that clients send: UTF-8 (RFC 3629), and which characters may be
 * shown. Control characters can change a terminal, and some invisible
 * characters change how the rest of a line looks. Clean or escape the text of a
 * client before another client, a log or an operator sees it.
 *
 * No function keeps state or depends on the locale. Thread: any.
 */
#ifndef LINED_TEXT_H
#define LINED_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/api.h>

LINED_BEGIN_DECLS

/*
 * The code point that lined_text_decode() gives for bytes that are not UTF-8.
 */
#define LINED_TEXT_BAD UINT32_C(0xffffffff)

/*
 * Decodes the first character of len bytes (1 and up): returns its length, 1 to
 * 4, and stores its code point in *code. If the bytes do not begin with a
 * character, *code is LINED_TEXT_BAD, and the result is the number of bytes
 * that one U+FFFD replaces: as many as could begin a character, or 1. Overlong
 * forms, surrogates and code points above U+10FFFF are not characters.
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

/* The most bytes that lined_text_clean() writes for a text of len bytes. */
#define LINED_TEXT_CLEAN_ROOM(len) (3 * (len) + 1)

/*
 * Cleans a text for the terminals of other clients: a tab becomes a space,
 * other characters that may not be shown are removed, and U+FFFD replaces bytes
 * that are not UTF-8. Writes the result to out, with a NUL, and returns its
 * length. out has LINED_TEXT_CLEAN_ROOM(len) bytes. text may overlap out only
 * if it begins at out + 2 * len.
 */
LINED_API size_t lined_text_clean(char *out, const char *text, size_t len);

/*
 * Escapes a text for a log or an operator, so that a client cannot imitate what
 * the program writes: \n \r \t \\, and \xNN for each byte that is not UTF-8 or
 * belongs to a character that may not be shown. Writes at most size bytes (1
 * and up), a NUL at the end, and returns the length. A text that does not fit
 * is cut between two characters or escapes, and "..." follows. A byte becomes 4
 * bytes at most.
 */
LINED_API size_t lined_text_escape(char *out, size_t size, const char *text,
				   size_t len);

/* The same, but a backslash stays as it is: for a message whose parts are
 * already escaped. */
LINED_API size_t lined_text_escape_rest(char *out, size_t size,
					const char *text, size_t len);

LINED_END_DECLS

#endif
