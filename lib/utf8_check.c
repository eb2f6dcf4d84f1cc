/* SPDX-License-Identifier: MIT */
/*
 * Table 3-7 of the Unicode Standard: the second byte of a character has a range
 * that depends on the first, which excludes overlong forms, surrogates and what
 * is above U+10FFFF; all others are 80..BF.
 */
#include "config.h"

#include "utf8_check.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

/* False: no character begins with this byte. */
static bool utf8_begin(struct utf8_check *check, unsigned char byte)
{
	check->low = 0x80;
	check->high = 0xbf;
	if (byte >= 0xc2 && byte <= 0xdf)
		check->left = 1;
	else if (byte >= 0xe0 && byte <= 0xef)
		check->left = 2;
	else if (byte >= 0xf0 && byte <= 0xf4)
		check->left = 3;
	else
		return byte < 0x80;
	if (byte == 0xe0)
		check->low = 0xa0;
	else if (byte == 0xed)
		check->high = 0x9f;
	else if (byte == 0xf0)
		check->low = 0x90;
	else if (byte == 0xf4)
		check->high = 0x8f;
	return true;
}

bool utf8_check(struct utf8_check *check, const char *text, size_t len)
{
	const char *end = text + len;
	uint64_t word;

	while (text < end) {
		unsigned char byte = (unsigned char)*text;

		if (check->left > 0) {
			if (byte < check->low || byte > check->high)
				return false;
			check->left--;
			check->low = 0x80;
			check->high = 0xbf;
			text++;
			continue;
		}
		if ((size_t)(end - text) >= sizeof(word)) {
			memcpy(&word, text, sizeof(word));
			if ((word & HIGH_BITS) == 0) {
				text += sizeof(word);
				continue;
			}
		}
		if (!utf8_begin(check, byte))
			return false;
		text++;
	}
	return true;
}
