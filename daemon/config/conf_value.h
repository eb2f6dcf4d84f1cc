/* SPDX-License-Identifier: MIT */
/*
 * Values as they are written in the config: numbers, durations, sizes,
 * booleans, one of several words. Pure functions of text.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conf_value_status {
	CONF_VALUE_OK,
	CONF_VALUE_BAD,   /* not of this form */
	CONF_VALUE_RANGE, /* too large for 64 bits, or outside of its range */
};

/* Decimal: 010 would be ten, where it is taken at all. */
enum conf_value_status conf_value_integer(const char *text, int64_t *value);

/* 010 is eight to some and ten to others: callers refuse it. */
bool conf_value_has_leading_zero(const char *text);

/* A number and ms, s, m or h; bare: seconds. Milliseconds. */
enum conf_value_status conf_value_duration(const char *text, int64_t *value);

/* A number and k, M or G, of 1024; bare: bytes. */
enum conf_value_status conf_value_size(const char *text, int64_t *value);

/* true, yes, on; false, no, off. */
enum conf_value_status conf_value_boolean(const char *text, bool *value);

/* Octal permission bits, to 0777. */
enum conf_value_status conf_value_mode(const char *text, unsigned *mode);

/* The index of the text among the words; -1: it is none of them. */
int conf_value_choice(const char *text, const char *const *choices);

/* Back to text, in the largest unit that needs no fraction. */
#define CONF_VALUE_TEXT_MAX 32
const char *conf_value_duration_text(int64_t ms, char buf[CONF_VALUE_TEXT_MAX]);
const char *conf_value_size_text(int64_t size, char buf[CONF_VALUE_TEXT_MAX]);

/* The edit distance of two words, for "did you mean". */
unsigned conf_value_distance(const char *a, const char *b);

#endif
