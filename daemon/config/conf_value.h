/* SPDX-License-Identifier: MIT */
/*
 * Reads values as written in the config: numbers, durations, sizes, booleans,
 * choices. The functions depend only on their arguments.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum conf_value_status {
	CONF_VALUE_OK,
	CONF_VALUE_BAD,   /* not of the expected form */
	CONF_VALUE_RANGE, /* too large for the type */
};

/* A decimal number; leading zeros are accepted. */
enum conf_value_status conf_value_integer(const char *text, int64_t *value);

/* Whether the number has a leading zero. Callers refuse such a number, because
 * some programs read 010 as octal, eight. */
bool conf_value_has_leading_zero(const char *text);

/* A number with the unit ms, s, m or h, or in seconds without a unit. *value is
 * in milliseconds. */
enum conf_value_status conf_value_duration(const char *text, int64_t *value);

/* A number with the unit k, M or G (powers of 1024), or in bytes without a
 * unit. */
enum conf_value_status conf_value_size(const char *text, int64_t *value);

/* true, yes, on; false, no, off; upper or lower case. */
enum conf_value_status conf_value_boolean(const char *text, bool *value);

/* Octal permission bits up to 0777. */
enum conf_value_status conf_value_mode(const char *text, unsigned *mode);

/* The index of the text among the words; -1: not found. */
int conf_value_choice(const char *text, const char *const *choices);

/* Writes a value as text, in the largest unit that needs no fraction. */
#define CONF_VALUE_TEXT_MAX 32
const char *conf_value_integer_text(int64_t value,
				    char buf[CONF_VALUE_TEXT_MAX]);
const char *conf_value_duration_text(int64_t ms, char buf[CONF_VALUE_TEXT_MAX]);
const char *conf_value_size_text(int64_t size, char buf[CONF_VALUE_TEXT_MAX]);

/* The edit distance of two words, for "did you mean"; two swapped letters are
 * one edit. */
unsigned conf_value_distance(const char *a, const char *b);
