/* SPDX-License-Identifier: MIT */
/*
 * Finds what is not UTF-8: what is cut short or longer than it need be, halves
 * of pairs, and what is beyond Unicode.
 */
#include "config.h"

#include "linectl/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/memory.h"

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

/* Controls, and what does not print but changes how the rest looks: separators
 * of lines, marks and overrides of the writing direction. */
static bool is_hidden(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x061c ||
	       c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/* What a character of so many bytes stands for. */
static uint32_t point_of(const unsigned char *at, size_t len)
{
	uint32_t point = len == 1 ? at[0] : at[0] & (0x7fu >> len);
	size_t i;

	for (i = 1; i < len; i++)
		point = point << 6 | (at[i] & 0x3fu);
	return point;
}

static char *put_escape(char *to, unsigned char byte)
{
	static const char names[] = "nrt", bytes[] = "\n\r\t";
	const char *at = strchr(bytes, byte);

	if (at != NULL)
		return to + sprintf(to, "\\%c", names[at - bytes]);
	return to + sprintf(to, "\\x%02x", byte);
}

size_t utf8_show(char *to, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t left = strlen(text), n;
	char *out = to;

	for (; left > 0; left -= n, at += n) {
		n = character(at, left);
		if (n > 0 && !is_hidden(point_of(at, n))) {
			memcpy(out, at, n);
			out += n;
			continue;
		}
		n = 1; /* what is left of a character is none, either */
		out = put_escape(out, at[0]);
	}
	*out = '\0';
	return (size_t)(out - to);
}

char *utf8_shown(const char *text)
{
	char *shown = memory_new(strlen(text) * UTF8_SHOWN + 1, 1);

	utf8_show(shown, text);
	return shown;
}
