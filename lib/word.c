/* SPDX-License-Identifier: MIT */
/*
 * Splits a line into words, and reads numbers. Works on bytes: no locale, no
 * errno; a NUL is a byte like any other.
 */
#include "config.h"

#include <lined/word.h>

#include <string.h>

static bool word_is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* Skips blanks if `spaces` is true, else the bytes of a word. Returns what
 * follows. */
static const char *word_skip(const char *at, const char *end, bool spaces)
{
	while (at < end && word_is_space(*at) == spaces)
		at++;
	return at;
}

size_t lined_line_words(const struct lined_line *line, struct lined_word *words,
			size_t max)
{
	const char *at = line->text, *end = at + line->len, *word;
	size_t count = 0;

	for (;;) {
		word = word_skip(at, end, true);
		if (word == end)
			return count;
		at = word_skip(word, end, false);
		if (count < max) {
			words[count].text = word;
			words[count].len = (size_t)(at - word);
		}
		count++;
	}
}

struct lined_word lined_line_rest(const struct lined_line *line, size_t n)
{
	const char *end = line->text + line->len;
	const char *at = word_skip(line->text, end, true);

	for (; n > 0 && at < end; n--)
		at = word_skip(word_skip(at, end, false), end, true);
	while (end > at && word_is_space(end[-1]))
		end--;
	return (struct lined_word){at, (size_t)(end - at)};
}

bool lined_word_copy(const struct lined_word *word, char *to, size_t size)
{
	bool fits =
		word->len < size && memchr(word->text, '\0', word->len) == NULL;
	size_t len = fits ? word->len : 0;

	memcpy(to, word->text, len);
	to[len] = '\0';
	return fits;
}

bool lined_word_is(const struct lined_word *word, const char *text)
{
	return strlen(text) == word->len &&
	       memcmp(word->text, text, word->len) == 0;
}

bool lined_word_unsigned(const struct lined_word *word, uint64_t max,
			 uint64_t *number)
{
	uint64_t value = 0;
	size_t i;

	for (i = 0; i < word->len; i++) {
		unsigned digit = (unsigned char)word->text[i] - (unsigned)'0';

		if (digit > 9 || value > (max - digit) / 10 || digit > max)
			return false;
		value = value * 10 + digit;
	}
	if (word->len == 0)
		return false;
	*number = value;
	return true;
}

bool lined_word_signed(const struct lined_word *word, int64_t min, int64_t max,
		       int64_t *number)
{
	struct lined_word digits = *word;
	bool negative = word->len > 0 && word->text[0] == '-';
	uint64_t size;
	int64_t value;

	if (negative) {
		digits.text++;
		digits.len--;
	}
	if (!lined_word_unsigned(&digits, (uint64_t)INT64_MAX + negative,
				 &size))
		return false;
	/* INT64_MIN has no positive counterpart. */
	if (negative)
		value = size == 0 ? 0 : -(int64_t)(size - 1) - 1;
	else
		value = (int64_t)size;
	if (value < min || value > max)
		return false;
	*number = value;
	return true;
}
