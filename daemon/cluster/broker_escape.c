/* SPDX-License-Identifier: MIT */
/* Escapes names: a byte that is not plain becomes =XX. Reads escaped names
 * back. */
#include "config.h"

#include "cluster/broker_escape.h"

#include <stdio.h>
#include <string.h>

bool broker_escape_is_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '/';
}

char *broker_escape(char *out, const char *text)
{
	for (; *text != '\0'; text++)
		if (broker_escape_is_plain((unsigned char)*text))
			*out++ = *text;
		else
			out += sprintf(out, "=%02X", (unsigned char)*text);
	*out = '\0';
	return out;
}

char *broker_unescape(char *out, const char *text, size_t len)
{
	const char *end = text + len;
	char again[4];

	out[0] = '\0';
	while (text < end) {
		unsigned byte = (unsigned char)*text;

		if (byte == '=' && sscanf(text + 1, "%2X", &byte) != 1)
			return NULL;
		out[0] = (char)byte;
		out[1] = '\0';
		broker_escape(again, out++);
		if (byte == 0 || strncmp(text, again, strlen(again)) != 0)
			return NULL;
		text += strlen(again);
	}
	return out;
}
