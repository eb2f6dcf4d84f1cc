/* SPDX-License-Identifier: MIT */
/*
 * Checks UTF-8 by table 3-7 of the Unicode Standard. The range of the second
 * byte of a character depends on the first byte; these ranges exclude overlong
 * forms, surrogates and code points above U+10FFFF. All further bytes are
 * 80..BF.
 */
#include "config.h"

#include "utf8_check.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

/* False: no character begins with this byte. */
static bool utf8_begin(struct utf8_check *check, unsigned char byte)
{
	check->low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
	check->high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
	check->left = byte < 0x80 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
	return byte < 0x80 || (byte >= 0xc2 && byte <= 0xf4);
}

/* Whether the next eight bytes are ASCII. */
static bool utf8_is_ascii(const char *text)
{
	uint64_t word;

	memcpy(&word, text, sizeof(word));
	return (word & HIGH_BITS) == 0;
}

/* Returns the end of the ASCII characters at the beginning of the text, or a
 * place before that end. Looks at eight bytes at a time; the last eight may
 * overlap the eight before. */
static const char *utf8_skip_ascii(const char *text, const char *end)
{
	const char *begin = text;

	while (end - text >= 8) {
		if (!utf8_is_ascii(text))
			return text;
		text += 8;
	}
	return end - begin >= 8 && utf8_is_ascii(end - 8) ? end : text;
}

bool utf8_check(struct utf8_check *check, const char *text, size_t len)
{
	const char *end = text + len;

	for (; text < end; text++) {
		unsigned char byte;

		if (check->left == 0) {
			text = utf8_skip_ascii(text, end);
			if (text == end)
				break;
			if (!utf8_begin(check, (unsigned char)*text))
				return false;
			continue;
		}
		byte = (unsigned char)*text;
		if (byte < check->low || byte > check->high)
			return false;
		check->left--;
		check->low = 0x80;
		check->high = 0xbf;
	}
	return true;
}
