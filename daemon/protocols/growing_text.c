/* SPDX-License-Identifier: MIT */
/* Appends to a text, whose memory doubles when it is full. */
#include "growing_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_fini(struct text *text)
{
	free(text->data);
	memset(text, 0, sizeof(*text));
}

/* Returns where to write len more bytes; NULL: no memory. */
static char *text_reserve(struct text *text, size_t len)
{
	size_t room = text->room > 0 ? text->room : 512;
	char *data;

	if (text->oom)
		return NULL;
	while (room - text->len < len)
		room *= 2;
	if (room > text->room) {
		data = realloc(text->data, room);
		if (data == NULL) {
			text->oom = true;
			return NULL;
		}
		text->data = data;
		text->room = room;
	}
	return text->data + text->len;
}

void text_add(struct text *text, const char *bytes, size_t len)
{
	char *to = text_reserve(text, len);

	if (to == NULL || len == 0)
		return;
	memcpy(to, bytes, len);
	text->len += len;
}

void text_puts(struct text *text, const char *string)
{
	text_add(text, string, strlen(string));
}

void text_printf(struct text *text, const char *format, ...)
{
	va_list arguments;
	char *to;
	int len;

	va_start(arguments, format);
	len = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	to = len < 0 ? NULL : text_reserve(text, (size_t)len + 1);
	if (to == NULL)
		return;
	va_start(arguments, format);
	vsnprintf(to, (size_t)len + 1, format, arguments);
	va_end(arguments);
	text->len += (size_t)len;
}

void text_quote(struct text *text, const char *string)
{
	text_puts(text, "\"");
	for (; *string != '\0'; string++) {
		unsigned char byte = (unsigned char)*string;

		if (byte == '"' || byte == '\\')
			text_printf(text, "\\%c", byte);
		else if (byte < 0x20 || byte == 0x7f)
			text_printf(text, "\\u%04x", byte);
		else
			text_add(text, string, 1);
	}
	text_puts(text, "\"");
}
