/* SPDX-License-Identifier: MIT */
/*
 * Cleans and escapes UTF-8. Both tasks use lined_text_decode() and
 * lined_text_is_shown(), so that one place decides which bytes are valid and
 * which characters may be shown.
 */
#include "config.h"

#include <lined/text.h>

#include <string.h>

/* U+FFFD, the replacement character. */
#define REPLACEMENT "\xef\xbf\xbd"

size_t lined_text_decode(const char *text, size_t len, uint32_t *code)
{
	const unsigned char *s = (const unsigned char *)text;
	/* RFC 3629, section 4: the range of the second byte excludes overlong
	 * forms, surrogates and code points above U+10FFFF. */
	unsigned char low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
	size_t size = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4, i;
	uint32_t c = s[0] & (0x7fu >> size);

	*code = s[0];
	if (s[0] < 0x80)
		return 1;
	*code = LINED_TEXT_BAD;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 1;
	for (i = 1; i < size; i++) {
		if (i == len || s[i] < low || s[i] > high)
			return i;
		c = c << 6 | (s[i] & 0x3fu);
		low = 0x80;
		high = 0xbf;
	}
	*code = c;
	return size;
}

bool lined_text_is_shown(uint32_t code)
{
	if (code < 0xa0)
		return code >= 0x20 && code < 0x7f;
	return code != 0x061c && code != 0x200e && code != 0x200f &&
	       (code < 0x2028 || code > 0x202e) &&
	       (code < 0x2066 || code > 0x2069) && code != 0xfeff &&
	       code != LINED_TEXT_BAD;
}

/* ---- cleaning ------------------------------------------------------------ */

bool lined_text_is_clean(const char *text, size_t len)
{
	size_t i = 0;
	uint32_t code;

	while (i < len) {
		i += lined_text_decode(text + i, len - i, &code);
		if (!lined_text_is_shown(code))
			return false;
	}
	return true;
}

size_t lined_text_clean(char *out, const char *text, size_t len)
{
	size_t i = 0, used = 0, size;
	uint32_t code;

	for (; i < len; i += size) {
		size = lined_text_decode(text + i, len - i, &code);
		if (code == LINED_TEXT_BAD) {
			memcpy(out + used, REPLACEMENT, strlen(REPLACEMENT));
			used += strlen(REPLACEMENT);
		} else if (code == '\t') {
			out[used++] = ' ';
		} else if (lined_text_is_shown(code)) {
			memmove(out + used, text + i, size);
			used += size;
		}
	}
	out[used] = '\0';
	return used;
}

/* ---- escaping ------------------------------------------------------------ */

/* Writes the first character or escape of the text to piece, with a NUL.
 * Returns the number of bytes that the piece stands for. */
static size_t text_next_piece(char piece[5], const char *text, size_t len,
			      bool escape_backslash)
{
	static const char hex[] = "0123456789abcdef";
	static const char letters[] = "nrt\\", meant[] = "\n\r\t\\";
	unsigned char byte = (unsigned char)text[0];
	const char *letter;
	uint32_t code;
	size_t size = lined_text_decode(text, len, &code);

	if (lined_text_is_shown(code) && (code != '\\' || !escape_backslash)) {
		memcpy(piece, text, size);
		piece[size] = '\0';
		return size;
	}
	/* Escape one byte; the other bytes of the character follow in later
	 * calls. */
	piece[0] = '\\';
	letter = byte != '\0' ? strchr(meant, byte) : NULL;
	if (letter != NULL) {
		piece[1] = letters[letter - meant];
		piece[2] = '\0';
		return 1;
	}
	piece[1] = 'x';
	piece[2] = hex[byte >> 4];
	piece[3] = hex[byte & 15];
	piece[4] = '\0';
	return 1;
}

/* The text does not fit: keeps the first len bytes of `out`, and adds "..." if
 * there is room. */
static size_t text_cut(char *out, size_t size, size_t len)
{
	if (len + 3 >= size) {
		out[len] = '\0';
		return len;
	}
	memcpy(out + len, "...", 4);
	return len + 3;
}

static size_t text_escape(char *out, size_t size, const char *text, size_t len,
			  bool escape_backslash)
{
	size_t at = 0, used = 0, fits = 0, taken, piece_len;
	char piece[5];

	while (at < len) {
		taken = text_next_piece(piece, text + at, len - at,
					escape_backslash);
		piece_len = strlen(piece);
		if (piece_len >= size - used)
			return text_cut(out, size, fits);
		memcpy(out + used, piece, piece_len);
		at += taken;
		used += piece_len;
		/* If the text is cut here, "..." still fits. */
		if (used + 3 < size)
			fits = used;
	}
	out[used] = '\0';
	return used;
}

size_t lined_text_escape(char *out, size_t size, const char *text, size_t len)
{
	return text_escape(out, size, text, len, true);
}

size_t lined_text_escape_rest(char *out, size_t size, const char *text,
			      size_t len)
{
	return text_escape(out, size, text, len, false);
}
