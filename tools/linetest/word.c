/* SPDX-License-Identifier: MIT */
/*
 * Cuts a row into words, which are separated by blanks, and reads names and
 * times. Does not depend on the locale.
 */
#include "config.h"

#include "linetest/word.h"

#include <string.h>

#define DURATION_MAX_MS (24u * 3600 * 1000)

char *word_next(char **at)
{
	char *word = *at + strspn(*at, " \t"), *end;

	if (*word == '\0' || *word == '#')
		return NULL;
	end = word + strcspn(word, " \t");
	*at = end;
	if (*end != '\0') {
		*end = '\0';
		*at = end + 1;
	}
	return word;
}

static bool word_is_name_byte(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (!first && ((c >= '0' && c <= '9') || c == '_' || c == '-'));
}

size_t word_name_len(const char *text, const char *end)
{
	const char *p = text;

	while (p < end && word_is_name_byte(*p, p == text))
		p++;
	return (size_t)(p - text);
}

bool word_duration(const char *text, uint32_t *ms)
{
	static const struct {
		const char *name;
		uint32_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60 * 1000}};
	uint64_t value = 0;
	const char *p = text;
	size_t i;

	for (; *p >= '0' && *p <= '9' && value < UINT32_MAX; p++)
		value = value * 10 + (uint64_t)(*p - '0');
	for (i = 0; p > text && i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(p, units[i].name) != 0)
			continue;
		value *= units[i].ms;
		*ms = (uint32_t)value;
		return value <= DURATION_MAX_MS;
	}
	return false;
}
