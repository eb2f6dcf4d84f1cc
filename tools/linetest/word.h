/* SPDX-License-Identifier: MIT */
/*
 * The words of a statement: cuts a row into words, and reads names and times.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The next word of a statement, cut off in place; NULL at its end. *at moves
 * behind it. A word that begins with # begins a comment. */
char *word_next(char **at);

/* The length of the name, of a client or a value, at the beginning of text: a
 * letter, then letters, digits, _ and -. 0: there is none. */
size_t word_name_len(const char *text, const char *end);

/* Reads "100ms", "2s", "1m" or bare seconds, a day at most. False: it is
 * something else. */
bool word_duration(const char *text, uint32_t *ms);
