/* SPDX-License-Identifier: MIT */
/* Checks names, byte by byte. */
#include "chat/name_syntax.h"

#include <string.h>
#include <strings.h>

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyz0123456789_-"
#define UPPER_CASE "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool name_is_made_of(const char *text, const char *chars)
{
	size_t len = strlen(text);

	return len > 0 && len <= CHAT_NAME_MAX && strspn(text, chars) == len;
}

bool chat_name_is_nickname(const char *text)
{
	return name_is_made_of(text, UPPER_CASE NAME_CHARS);
}

bool chat_name_is_room(const char *text)
{
	return name_is_made_of(text, NAME_CHARS);
}

bool chat_name_is_guest(const char *text)
{
	size_t digits;

	if (strncasecmp(text, "guest", 5) != 0)
		return false;
	digits = strspn(text + 5, "0123456789");
	return digits > 0 && text[5 + digits] == '\0';
}

void chat_name_lower(char out[CHAT_NAME_MAX + 1], const char *name)
{
	size_t i;

	for (i = 0; i < CHAT_NAME_MAX && name[i] != '\0'; i++)
		out[i] = name[i] >= 'A' && name[i] <= 'Z'
				 ? (char)(name[i] - 'A' + 'a')
				 : name[i];
	out[i] = '\0';
}
