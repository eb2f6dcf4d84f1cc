/* SPDX-License-Identifier: MIT */
/*
 * Removes telnet's commands (RFC 854), which no client means as text, and knows
 * what a name or a number may be.
 */
#include "chat/text.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <lined/text.h>

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
static size_t telnet_subnegotiation_len(const unsigned char *in, size_t len)
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
static size_t telnet_command_len(const unsigned char *in, size_t len)
{
	if (len == 1)
		return 1;
	if (in[1] < TELNET_SE || in[1] == TELNET_IAC)
		return 0;
	if (in[1] == TELNET_SB)
		return telnet_subnegotiation_len(in, len);
	if (in[1] >= TELNET_WILL && in[1] <= TELNET_DONT)
		return len < 3 ? len : 3;
	return 2;
}

static size_t telnet_strip(const unsigned char *in, size_t len,
			   unsigned char *out)
{
	size_t i = 0, used = 0;

	while (i < len) {
		size_t skip = 0;

		if (in[i] == TELNET_IAC)
			skip = telnet_command_len(in + i, len - i);
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

size_t chat_text_clean(const char *line, size_t len, char *out)
{
	unsigned char *rest = (unsigned char *)out + 2 * len;

	len = telnet_strip((const unsigned char *)line, len, rest);
	return lined_text_clean(out, (const char *)rest, len);
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
	return lined_text_is_clean(text, strlen(text));
}

/* ---- names ------------------------------------------------------------ */

static bool text_is_name(const char *text, const char *chars)
{
	size_t len = strlen(text);

	return len > 0 && len <= CHAT_NAME_MAX && strspn(text, chars) == len;
}

bool chat_text_is_nickname(const char *text)
{
	return text_is_name(text, UPPER_CASE NAME_CHARS);
}

bool chat_text_is_room(const char *text)
{
	return text_is_name(text, NAME_CHARS);
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
