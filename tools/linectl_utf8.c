/* SPDX-License-Identifier: MIT */
/*
 * Finds what is not UTF-8: what is cut short or longer than it need be, halves
 * of pairs, and what is beyond Unicode.
 */
#include "config.h"

#include "linectl_utf8.h"

/* How many bytes the character has that begins here; 0: it is none. */
static size_t character(const unsigned char *at, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len, i;

	if (at[0] < 0x80)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	len = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	if (at[0] == 0xe0)
		low = 0xa0;
	else if (at[0] == 0xed)
		high = 0x9f;
	else if (at[0] == 0xf0)
		low = 0x90;
	else if (at[0] == 0xf4)
		high = 0x8f;
	if (len > left || at[1] < low || at[1] > high)
		return 0;
	for (i = 2; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

void utf8_mend(char *text, size_t len)
{
	size_t at = 0, n;

	while (at < len) {
		n = character((const unsigned char *)text + at, len - at);
		if (n == 0)
			text[at] = '?';
		at += n > 0 ? n : 1;
	}
}
