/* SPDX-License-Identifier: MIT */
/*
 * Words: what most line protocols cut a line into, for those that do so at
 * spaces. Quotes and escapes are a protocol's own business.
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
	size_t len; /* 1 and up */
};

/*
 * The words of a line: what stands between spaces and tabs. The first max of
 * them are put in words; the result is how many the line has, which may be
 * more than that.
 */
LINED_API size_t lined_line_words(const struct lined_line *line,
				  struct lined_word *words, size_t max);

/* Whether it is this text, to the letter. */
LINED_API bool lined_word_is(const struct lined_word *word, const char *text);

/*
 * Whether it is a decimal number within the bounds, and that number: digits
 * alone, for signed ones perhaps after a minus. Otherwise *number stays.
 */
LINED_API bool lined_word_signed(const struct lined_word *word, int64_t min,
				 int64_t max, int64_t *number);
LINED_API bool lined_word_unsigned(const struct lined_word *word, uint64_t max,
				   uint64_t *number);

LINED_END_DECLS

#endif
