/* SPDX-License-Identifier: MIT */
/*
 * A growing text, for responses that are built before they are sent. If memory
 * runs out, oom is set and nothing more is added.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A zeroed struct is an empty text. */
struct text {
	char *data; /* not NUL-terminated */
	size_t len, room;
	bool oom;
};

void text_fini(struct text *text);
void text_add(struct text *text, const char *bytes, size_t len);
void text_puts(struct text *text, const char *string);
void text_printf(struct text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds a string in JSON quotes. Its bytes must be UTF-8. */
void text_quote(struct text *text, const char *string);
