/* SPDX-License-Identifier: MIT */
/*
 * The words of a line, for protocols that separate them by blanks. Quotes and
 * escapes have no meaning. Thread: any; nothing is kept between calls.
 */
#ifndef LINED_WORD_H
#define LINED_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/api.h>
#include <lined/line.h>

LINED_BEGIN_DECLS

/* A word of a line, borrowed as the line is; not NUL-terminated. */
struct lined_word {
	const char *text;
	size_t len; /* at least 1, except from lined_line_rest() */
};

/* Splits a line at spaces and tabs and stores its first max words. Returns how
 * many words the line has, which may be more than max. */
LINED_API size_t lined_line_words(const struct lined_line *line,
				  struct lined_word *words, size_t max);

/* The rest of a line behind its first n words, without the blanks around it; of
 * length 0 if there is none. For an argument that may contain blanks. */
LINED_API struct lined_word lined_line_rest(const struct lined_line *line,
					    size_t n);

/* Copies a word into an array of size bytes (1 and up), with a NUL. False: it
 * does not fit or contains a NUL, and the array holds "". */
LINED_API bool lined_word_copy(const struct lined_word *word, char *to,
			       size_t size);

/* Whether a word is this text; case matters. */
LINED_API bool lined_word_is(const struct lined_word *word, const char *text);

/*
 * Whether a word is a decimal number within the bounds; if so, stores it in
 * *number. The word has only digits, and for a signed number perhaps a minus
 * before them.
 */
LINED_API bool lined_word_signed(const struct lined_word *word, int64_t min,
				 int64_t max, int64_t *number);
LINED_API bool lined_word_unsigned(const struct lined_word *word, uint64_t max,
				   uint64_t *number);

LINED_END_DECLS

#endif
