/* SPDX-License-Identifier: MIT */
/*
 * Compares a line with the template that is expected, and gives names their
 * values.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "linetest/template.h"

/*
 * Whether the template matches the whole line, which has a NUL behind it. A
 * name without a value matches one word; a name with a pattern matches what the
 * pattern matches. If the line matches, the text that a name has matched
 * becomes its value. Otherwise the values stay. If a name is twice in the
 * template, it must match the same text both times.
 */
bool match_line(const struct template *template, struct values *values,
		const char *line, size_t len);

/* NULL if the template can be matched, else a message, to be freed. */
char *match_check(const struct template *template);
