/* SPDX-License-Identifier: MIT */
/*
 * Whether a line is the one that was expected, and what its names stand for.
 */
#ifndef LINETEST_MATCH_H
#define LINETEST_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "linetest/values.h"
#include "linetest/template.h"

/*
 * Whether all of the line, which has a NUL behind it, is what the template
 * says. Names without a value
 * (and those with a pattern, always) stand for what they meet, one word unless
 * their pattern says otherwise; on a match they have it as their value from
 * then on, else captures are as before. A name met twice in a line must have
 * met the same.
 */
bool match_line(const struct template *template, struct values *values,
		const char *line, size_t len);

/* Whether that can be asked: NULL, or what regcomp(3) has to say against it,
 * to be freed. */
char *match_check(const struct template *template);

#endif
