/* SPDX-License-Identifier: MIT */
/*
 * Reads single values, and refuses ambiguous ones: a misread limit does more
 * harm than a refused one.
 */
#include "config.h"

#include "config/conf_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first; ends with NULL. */
static const struct unit duration_units[] = {
	{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0},
};

static const struct unit size_units[] = {
	{"G", 1024 * 1024 * 1024},
	{"M", 1024 * 1024},
	{"k", 1024},
	{NULL, 0},
};

/* Reads the digits at text; *end is after the digits. CONF_VALUE_RANGE: the
 * number is too large. */
static enum conf_value_status value_read_digits(const char *text, char **end,
						int64_t *value)
{
	errno = 0;
	*value = strtoll(text, end, 10);
	/* strtoll(3) also takes white space and a sign. */
	if (*text < '0' || *text > '9')
		return CONF_VALUE_BAD;
	return errno == ERANGE ? CONF_VALUE_RANGE : CONF_VALUE_OK;
}

enum conf_value_status conf_value_integer(const char *text, int64_t *value)
{
	bool negative = *text == '-';
	char *end;
	enum conf_value_status status =
		value_read_digits(text + negative, &end, value);

	if (*end != '\0')
		return CONF_VALUE_BAD;
	if (negative)
		*value = -*value;
	return status;
}

bool conf_value_has_leading_zero(const char *text)
{
	text += text[0] == '-';
	return text[0] == '0' && text[1] >= '0' && text[1] <= '9';
}

static enum conf_value_status value_read_unit(const char *text,
					      const struct unit *units,
					      int64_t bare, int64_t *value)
{
	char *end;
	enum conf_value_status status = value_read_digits(text, &end, value);
	int64_t factor = *end == '\0' ? bare : 0;

	for (; factor == 0 && units->name != NULL; units++)
		if (strcmp(end, units->name) == 0)
			factor = units->factor;
	if (status == CONF_VALUE_BAD || factor == 0)
		return CONF_VALUE_BAD;
	if (status == CONF_VALUE_RANGE || *value > INT64_MAX / factor)
		return CONF_VALUE_RANGE;
	*value *= factor;
	return CONF_VALUE_OK;
}

enum conf_value_status conf_value_duration(const char *text, int64_t *value)
{
	return value_read_unit(text, duration_units, 1000, value);
}

enum conf_value_status conf_value_size(const char *text, int64_t *value)
{
	return value_read_unit(text, size_units, 1, value);
}

enum conf_value_status conf_value_boolean(const char *text, bool *value)
{
	static const char *const words[] = {"true", "false", "yes", "no",
					    "on",   "off",   NULL};
	int i;

	for (i = 0; words[i] != NULL; i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*value = i % 2 == 0;
			return CONF_VALUE_OK;
		}
	}
	return CONF_VALUE_BAD;
}

enum conf_value_status conf_value_mode(const char *text, unsigned *mode)
{
	size_t len = strspn(text, "01234567");
	unsigned long bits = strtoul(text, NULL, 8);

	if (len == 0 || text[len] != '\0')
		return CONF_VALUE_BAD;
	if (bits > 0777)
		return CONF_VALUE_RANGE;
	*mode = (unsigned)bits;
	return CONF_VALUE_OK;
}

int conf_value_choice(const char *text, const char *const *choices)
{
	int i;

	for (i = 0; choices[i] != NULL; i++)
		if (strcmp(text, choices[i]) == 0)
			return i;
	return -1;
}

static const char *value_unit_text(int64_t value, const struct unit *units,
				   char buf[CONF_VALUE_TEXT_MAX])
{
	for (; units->name != NULL; units++)
		if (value != 0 && value % units->factor == 0)
			break;
	snprintf(buf, CONF_VALUE_TEXT_MAX, "%" PRId64 "%s",
		 units->name != NULL ? value / units->factor : value,
		 units->name != NULL ? units->name : "");
	return buf;
}

const char *conf_value_integer_text(int64_t value,
				    char buf[CONF_VALUE_TEXT_MAX])
{
	snprintf(buf, CONF_VALUE_TEXT_MAX, "%" PRId64, value);
	return buf;
}

const char *conf_value_duration_text(int64_t ms, char buf[CONF_VALUE_TEXT_MAX])
{
	return value_unit_text(ms, duration_units, buf);
}

const char *conf_value_size_text(int64_t size, char buf[CONF_VALUE_TEXT_MAX])
{
	return value_unit_text(size, size_units, buf);
}

#define DISTANCE_MAX 32

static void value_lower(unsigned *least, unsigned other)
{
	if (other < *least)
		*least = other;
}

unsigned conf_value_distance(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	/* rows[i % 3][j] is the distance of the first i bytes of a from the
	 * first j bytes of b. Only three rows are needed at a time. */
	unsigned rows[3][DISTANCE_MAX + 1];
	size_t i, j;

	if (a_len > DISTANCE_MAX || b_len > DISTANCE_MAX)
		return DISTANCE_MAX;
	for (j = 0; j <= b_len; j++)
		rows[0][j] = (unsigned)j;
	for (i = 1; i <= a_len; i++) {
		unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3];

		row[0] = (unsigned)i;
		for (j = 1; j <= b_len; j++) {
			row[j] = above[j - 1] + (a[i - 1] != b[j - 1]);
			value_lower(&row[j], above[j] + 1);
			value_lower(&row[j], row[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				value_lower(&row[j],
					    rows[(i - 2) % 3][j - 2] + 1);
		}
	}
	return rows[a_len % 3][b_len];
}
