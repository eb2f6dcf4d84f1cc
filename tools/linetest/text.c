/* SPDX-License-Identifier: MIT */
/*
 * Escapes, both ways. Does not depend on the locale, so that a transcript means
 * the same on every machine.
 */
#include "config.h"

#include "linetest/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <lined/text.h>

#define DURATION_MAX_MS (24u * 3600 * 1000)

static const char escape_names[] = "abefnrtv0\\\"{}.";
static const char escape_bytes[] = "\a\b\033\f\n\r\t\v\0\\\"{}.";

static int text_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int text_read_escape(const char **at, const char *end)
{
	const char *p = *at, *name;
	int high, low;

	if (p == end)
		return -1;
	if (*p == 'x') {
		if (end - p < 3)
			return -1;
		high = text_hex_digit(p[1]);
		low = text_hex_digit(p[2]);
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

static bool text_is_name_byte(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (!first && ((c >= '0' && c <= '9') || c == '_' || c == '-'));
}

size_t text_name(const char *text, const char *end)
{
	const char *p = text;

	while (p < end && text_is_name_byte(*p, p == text))
		p++;
	return (size_t)(p - text);
}

bool text_duration(const char *text, uint32_t *ms)
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

size_t text_character(const char *data, size_t len)
{
	uint32_t code;
	size_t size;

	if (len == 0)
		return 0;
	size = lined_text_decode(data, len, &code);
	return lined_text_is_shown(code) ? size : 0;
}

size_t text_columns(const char *text, size_t len)
{
	size_t columns = 0, i;

	for (i = 0; i < len; i++)
		columns += ((unsigned char)text[i] & 0xc0) != 0x80;
	return columns;
}

static void text_show_byte(struct bytes *out, char byte)
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

/* Whether a brace here would begin a name, or "x*3" with any x. */
static bool brace_needs_escape(const char *data, size_t len)
{
	return len > 1 && data[0] == '{' &&
	       (text_is_name_byte(data[1], true) ||
		(len > 2 && data[2] == '*') || data[1] == '\\' ||
		(unsigned char)data[1] >= 0x80);
}

void text_show_part(struct bytes *out, const char *data, size_t len)
{
	size_t i = 0, size;

	while (i < len) {
		size = text_character(data + i, len - i);
		if (size == 0) {
			text_show_byte(out, data[i++]);
			continue;
		}
		if (data[i] == '\\' || brace_needs_escape(data + i, len - i))
			bytes_add_byte(out, '\\');
		bytes_add(out, data + i, size);
		i += size;
	}
}

void text_show(struct bytes *out, const char *data, size_t len)
{
	if (len == 3 && memcmp(data, "...", 3) == 0) {
		bytes_add_text(out, "\\...");
	} else if (len > 0 && data[len - 1] == ' ') {
		text_show_part(out, data, len - 1);
		text_show_byte(out, ' ');
	} else {
		text_show_part(out, data, len);
	}
}

void text_print(FILE *file, const char *format, ...)
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
		size = text_character(text + i, len - i);
		if (size == 0 && text[i] != '\n' && text[i] != '\t')
			text_show_byte(&out, text[i]);
		else
			bytes_add(&out, text + i, size == 0 ? 1 : size);
		size += size == 0;
	}
	free(text);
	fputs(bytes_text(&out), file);
	bytes_fini(&out);
}
