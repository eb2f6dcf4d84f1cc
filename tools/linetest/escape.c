/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes escapes. Does not depend on the locale, so that a transcript
 * means the same on every machine.
 */
#include "config.h"

#include "linetest/escape.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <lined/text.h>

#include "linetest/word.h"

static const char escape_names[] = "abefnrtv0\\\"{}.";
static const char escape_bytes[] = "\a\b\033\f\n\r\t\v\0\\\"{}.";

static int escape_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int escape_read(const char **at, const char *end)
{
	const char *p = *at, *name;
	int high, low;

	if (p == end)
		return -1;
	if (*p == 'x') {
		if (end - p < 3)
			return -1;
		high = escape_hex_digit(p[1]);
		low = escape_hex_digit(p[2]);
		if (high < 0 || low < 0)
			return -1;
		*at = p + 3;
		return high * 16 + low;
	}
	name = *p != '\0' ? strchr(escape_names, *p) : NULL;
	if (name == NULL)
		return -1;
	*at = p + 1;
	return (unsigned char)escape_bytes[name - escape_names];
}

size_t escape_plain_character(const char *data, size_t len)
{
	uint32_t code;
	size_t size;

	if (len == 0)
		return 0;
	size = lined_text_decode(data, len, &code);
	return lined_text_is_shown(code) ? size : 0;
}

size_t escape_columns(const char *text, size_t len)
{
	size_t columns = 0, i;

	for (i = 0; i < len; i++)
		columns += ((unsigned char)text[i] & 0xc0) != 0x80;
	return columns;
}

static void escape_byte(struct bytes *out, char byte)
{
	const char *found;

	if (byte == '\0') {
		bytes_add_text(out, "\\0");
		return;
	}
	found = strchr("\a\b\033\f\n\r\t\v", byte);
	if (found != NULL)
		bytes_add_format(out, "\\%c",
				 escape_names[strchr(escape_bytes, byte) -
					      escape_bytes]);
	else
		bytes_add_format(out, "\\x%02x", (unsigned char)byte);
}

/* Whether a brace here could begin a name, or a repetition such as {x*3}. */
static bool brace_needs_escape(const char *data, size_t len)
{
	return len > 1 && data[0] == '{' &&
	       (word_name_len(data + 1, data + 2) > 0 ||
		(len > 2 && data[2] == '*') || data[1] == '\\' ||
		(unsigned char)data[1] >= 0x80);
}

void escape_part(struct bytes *out, const char *data, size_t len)
{
	size_t i = 0, size;

	while (i < len) {
		size = escape_plain_character(data + i, len - i);
		if (size == 0) {
			escape_byte(out, data[i++]);
			continue;
		}
		if (data[i] == '\\' || brace_needs_escape(data + i, len - i))
			bytes_add_byte(out, '\\');
		bytes_add(out, data + i, size);
		i += size;
	}
}

void escape_text(struct bytes *out, const char *data, size_t len)
{
	if (len == 3 && memcmp(data, "...", 3) == 0) {
		bytes_add_text(out, "\\...");
	} else if (len > 0 && data[len - 1] == ' ') {
		escape_part(out, data, len - 1);
		escape_byte(out, ' ');
	} else {
		escape_part(out, data, len);
	}
}

void escape_print(FILE *file, const char *format, ...)
{
	struct bytes out = {0};
	size_t i, len, size;
	va_list args;
	char *text;

	va_start(args, format);
	text = memory_format_list(format, args);
	va_end(args);
	len = strlen(text);
	for (i = 0; i < len; i += size) {
		size = escape_plain_character(text + i, len - i);
		if (size == 0 && text[i] != '\n' && text[i] != '\t')
			escape_byte(&out, text[i]);
		else
			bytes_add(&out, text + i, size == 0 ? 1 : size);
		size += size == 0;
	}
	free(text);
	fputs(bytes_text(&out), file);
	bytes_fini(&out);
}
