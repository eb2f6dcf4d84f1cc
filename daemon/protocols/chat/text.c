/* SPDX-License-Identifier: MIT */
/*
 * Cleaning: first telnet's commands go, then what is left is read as UTF-8 and
 * written again character by character, so that nothing but printable text can
 * come out, whatever went in.
 */
#include "chat/text.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum telnet {
	TELNET_SE = 0xf0,
	TELNET_SB = 0xfa,
	TELNET_WILL = 0xfb,
	TELNET_DONT = 0xfe,
	TELNET_IAC = 0xff,
};

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyz0123456789_-"
#define UPPER_CASE "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* ---- telnet ----------------------------------------------------------- */

/* The length of a subnegotiation, which begins with IAC SB; one that does not
 * end in this line takes the rest of it. */
static size_t subnegotiation_len(const unsigned char *in, size_t len)
{
	size_t i;

	for (i = 2; i + 1 < len; i++) {
		if (in[i] != TELNET_IAC)
			continue;
		if (in[i + 1] == TELNET_SE)
			return i + 2;
		i++; /* IAC IAC is a byte of it */
	}
	return len;
}

/* The length of the command at an IAC; 0: it is none, but a byte. */
static size_t command_len(const unsigned char *in, size_t len)
{
	if (len == 1)
		return 1;
	if (in[1] < TELNET_SE || in[1] == TELNET_IAC)
		return 0;
	if (in[1] == TELNET_SB)
		return subnegotiation_len(in, len);
	if (in[1] >= TELNET_WILL && in[1] <= TELNET_DONT)
		return len < 3 ? len : 3;
	return 2;
}

static size_t strip_telnet(const unsigned char *in, size_t len,
			   unsigned char *out)
{
	size_t i = 0, used = 0;

	while (i < len) {
		size_t skip = 0;

		if (in[i] == TELNET_IAC)
			skip = command_len(in + i, len - i);
		if (skip > 0) {
			i += skip;
			continue;
		}
		/* IAC IAC stands for the byte. */
		if (in[i] == TELNET_IAC && i + 1 < len &&
		    in[i + 1] == TELNET_IAC)
			i++;
		out[used++] = in[i++];
	}
	return used;
}

/* ---- UTF-8 ------------------------------------------------------------ */

/* What may follow a lead byte: how many bytes, and the range of the first of
 * them, which rules out long forms, surrogates and what is past U+10FFFF. */
static unsigned lead(unsigned char byte, unsigned char *low,
		     unsigned char *high)
{
	*low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
	*high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
	if (byte >= 0xc2 && byte <= 0xdf)
		return 1;
	if (byte >= 0xe0 && byte <= 0xef)
		return 2;
	if (byte >= 0xf0 && byte <= 0xf4)
		return 3;
	return 0;
}

/* The length of the character at in, or of the piece that is none. */
static size_t character_len(const unsigned char *in, size_t len, bool *good)
{
	unsigned char low, high;
	unsigned more = lead(in[0], &low, &high);
	size_t i;

	*good = in[0] < 0x80;
	if (more == 0)
		return 1;
	for (i = 1; i <= more; i++) {
		if (i == len || in[i] < low || in[i] > high)
			return i;
		low = 0x80;
		high = 0xbf;
	}
	*good = true;
	return i;
}

static bool is_control(const unsigned char *in, size_t len)
{
	if (len == 1)
		return in[0] < 0x20 || in[0] == 0x7f;
	return len == 2 && in[0] == 0xc2 && in[1] < 0xa0;
}

static size_t write_clean(const unsigned char *in, size_t len, char *out)
{
	size_t i = 0, used = 0, n;
	bool good;

	for (; i < len; i += n) {
		n = character_len(in + i, len - i, &good);
		if (!good) {
			memcpy(out + used, "\xef\xbf\xbd", 3);
			used += 3;
		} else if (in[i] == '\t') {
			out[used++] = ' ';
		} else if (!is_control(in + i, n)) {
			memmove(out + used, in + i, n);
			used += n;
		}
	}
	out[used] = '\0';
	return used;
}

size_t chat_text_clean(const char *line, size_t len, char *out)
{
	/* What has lost its commands waits in the last third: writing, at most
	 * three bytes for each one read, never overtakes the reading there. */
	unsigned char *rest = (unsigned char *)out + 2 * len;

	len = strip_telnet((const unsigned char *)line, len, rest);
	return write_clean(rest, len, out);
}

char *chat_text_copy(const char *text, size_t len)
{
	char *copy = malloc(len + 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

bool chat_text_is_clean(const char *text)
{
	size_t i = 0, n, len = strlen(text);
	const unsigned char *in = (const unsigned char *)text;
	bool good;

	for (; i < len; i += n) {
		n = character_len(in + i, len - i, &good);
		if (!good || is_control(in + i, n))
			return false;
	}
	return true;
}

/* ---- names ------------------------------------------------------------ */

static bool is_name(const char *text, const char *chars)
{
	size_t len = strlen(text);

	return len > 0 && len <= CHAT_NAME_MAX && strspn(text, chars) == len;
}

bool chat_text_is_nickname(const char *text)
{
	return is_name(text, UPPER_CASE NAME_CHARS);
}

bool chat_text_is_room(const char *text)
{
	return is_name(text, NAME_CHARS);
}

bool chat_text_is_guest(const char *text)
{
	size_t digits;

	if (strncasecmp(text, "guest", 5) != 0)
		return false;
	digits = strspn(text + 5, "0123456789");
	return digits > 0 && text[5 + digits] == '\0';
}

void chat_text_lower(char out[CHAT_NAME_MAX + 1], const char *name)
{
	size_t i;

	for (i = 0; i < CHAT_NAME_MAX && name[i] != '\0'; i++)
		out[i] = name[i] >= 'A' && name[i] <= 'Z'
				 ? (char)(name[i] - 'A' + 'a')
				 : name[i];
	out[i] = '\0';
}

bool chat_text_number(const char *text, unsigned long max,
		      unsigned long *number)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || text[digits] != '\0')
		return false;
	errno = 0;
	*number = strtoul(text, NULL, 10);
	return errno == 0 && *number <= max;
}
