/* SPDX-License-Identifier: MIT */
/*
 * Reads the text of a step into bytes and names, and puts them together again
 * with the values of the names. match.c compares lines with templates.
 */
#include "config.h"

#include "linetest/template.h"

#include <stdlib.h>
#include <string.h>

#include "linetest/bytes.h"
#include "linetest/escape.h"
#include "linetest/word.h"

/* ---- values -------------------------------------------------------------- */

void values_fini(struct values *values)
{
	size_t i;

	for (i = 0; i < values->count; i++) {
		free(values->items[i].name);
		free(values->items[i].text);
	}
	free(values->items);
	memset(values, 0, sizeof(*values));
}

const struct value *values_find(const struct values *values, const char *name)
{
	size_t i;

	for (i = 0; i < values->count; i++)
		if (strcmp(values->items[i].name, name) == 0)
			return &values->items[i];
	return NULL;
}

void values_set(struct values *values, const char *name, const char *text,
		size_t len)
{
	struct value *value = (struct value *)values_find(values, name);
	char *copy = memory_copy(text, len);

	if (value == NULL) {
		values->items = memory_resize(values->items, values->count + 1,
					      sizeof(*values->items));
		value = &values->items[values->count++];
		value->name = memory_copy(name, strlen(name));
	} else {
		free(value->text);
	}
	value->text = copy;
	value->len = len;
}

/* ---- templates ----------------------------------------------------------- */

struct reader {
	struct template *template;
	struct bytes bytes; /* the bytes read since the last name */
	const char *at, *end;
	char **error;
};

static void template_add_part(struct template *template, char *text, size_t len,
			      char *name)
{
	struct template_part *part;

	template->parts = memory_resize(template->parts, template->count + 1,
					sizeof(*template->parts));
	part = &template->parts[template->count++];
	part->text = text;
	part->len = len;
	part->name = name;
}

static void reader_end_bytes(struct reader *reader)
{
	size_t len = reader->bytes.len;

	if (len > 0)
		template_add_part(reader->template, bytes_take(&reader->bytes),
				  len, NULL);
}

static int reader_fail(struct reader *reader, char *message)
{
	*reader->error = message;
	return -1;
}

static int reader_take_literal_escape(struct reader *reader)
{
	const char *begin = reader->at++;
	int byte = escape_read(&reader->at, reader->end);

	if (byte < 0 && reader->at == reader->end)
		return reader_fail(reader,
				   memory_format("a \\ at the end stands for "
						 "nothing; write \\\\"));
	if (byte < 0)
		return reader_fail(reader,
				   memory_format("unknown escape \"%.2s\"; "
						 "a \\ is written \\\\",
						 begin));
	bytes_add_byte(&reader->bytes, (char)byte);
	return 0;
}

/* \xNN, \e, \f, \n, \r and \t become the byte. Other escapes stay: they belong
 * to the expression. */
static int reader_take_pattern_escape(struct reader *reader)
{
	const char *p = reader->at + 1;
	int byte;

	if (p == reader->end)
		return reader_fail(reader,
				   memory_format("a \\ at the end stands for "
						 "nothing; write \\\\"));
	if (strchr("xefnrt", *p) == NULL || *p == '\0') {
		bytes_add(&reader->bytes, reader->at, 2);
		reader->at += 2;
		return 0;
	}
	byte = escape_read(&p, reader->end);
	if (byte < 0)
		return reader_fail(reader,
				   memory_format("\\x takes two hexadecimal "
						 "digits"));
	if (byte != 0 && strchr("\\.[]{}()*+?|^$", byte) != NULL)
		bytes_add_byte(&reader->bytes, '\\');
	bytes_add_byte(&reader->bytes, (char)byte);
	reader->at = p;
	return 0;
}

/* {x*COUNT}: 1 if it was read, 0 if this is something else, -1 and an error. */
static int reader_take_repeat(struct reader *reader)
{
	const char *p = reader->at + 1;
	unsigned long count = 0;
	size_t size, i;
	char byte[4];
	int escaped;

	size = escape_plain_character(p, (size_t)(reader->end - p));
	if (size == 0)
		return 0;
	if (*p == '\\') {
		p++;
		escaped = escape_read(&p, reader->end);
		if (escaped < 0)
			return 0;
		byte[0] = (char)escaped;
		size = 1;
	} else {
		memcpy(byte, p, size);
		p += size;
	}
	if (p == reader->end || *p++ != '*' || p == reader->end || *p < '0' ||
	    *p > '9')
		return 0;
	for (; p < reader->end && *p >= '0' && *p <= '9'; p++) {
		count = count * 10 + (unsigned long)(*p - '0');
		if (count > TEMPLATE_REPEAT_MAX)
			return reader_fail(
				reader, memory_format("{...*COUNT}: at most %u "
						      "times",
						      TEMPLATE_REPEAT_MAX));
	}
	if (p == reader->end || *p != '}')
		return 0;
	for (i = 0; i < count; i++)
		bytes_add(&reader->bytes, byte, size);
	reader->at = p + 1;
	return 1;
}

/* The brace that closes a pattern in braces; NULL: there is none. */
static const char *find_pattern_end(const char *p, const char *end)
{
	int depth = 0;

	for (; p < end; p++) {
		if (*p == '\\' && p + 1 < end)
			p++;
		else if (*p == '{')
			depth++;
		else if (*p == '}' && depth-- == 0)
			return p;
	}
	return NULL;
}

/* Takes {name} or {name:PATTERN}. 1: taken; 0: this is something else. */
static int reader_take_name(struct reader *reader)
{
	const char *name = reader->at + 1, *p, *close;
	size_t len = word_name_len(name, reader->end);

	p = name + len;
	if (len == 0 || p == reader->end)
		return 0;
	if (*p == '}') {
		reader_end_bytes(reader);
		template_add_part(reader->template, NULL, 0,
				  memory_copy(name, len));
		reader->at = p + 1;
		return 1;
	}
	if (*p++ != ':')
		return 0;
	close = find_pattern_end(p, reader->end);
	if (close == NULL || close == p)
		return 0;
	reader_end_bytes(reader);
	template_add_part(reader->template, memory_copy(p, (size_t)(close - p)),
			  (size_t)(close - p), memory_copy(name, len));
	reader->at = close + 1;
	return 1;
}

static int reader_take_brace(struct reader *reader)
{
	int result =
		reader->template->is_pattern ? 0 : reader_take_repeat(reader);

	if (result == 0)
		result = reader_take_name(reader);
	if (result == 0)
		bytes_add_byte(&reader->bytes, *reader->at++);
	return result < 0 ? -1 : 0;
}

static int reader_take_all(struct reader *reader)
{
	while (reader->at < reader->end) {
		if (*reader->at == '\\') {
			if ((reader->template->is_pattern
				     ? reader_take_pattern_escape(reader)
				     : reader_take_literal_escape(reader)) < 0)
				return -1;
		} else if (*reader->at == '{') {
			if (reader_take_brace(reader) < 0)
				return -1;
		} else {
			bytes_add_byte(&reader->bytes, *reader->at++);
		}
	}
	return 0;
}

int template_read(struct template *template, const char *text, size_t len,
		  bool is_pattern, char **error)
{
	struct reader reader = {template, {0}, text, text + len, error};
	int result;

	memset(template, 0, sizeof(*template));
	template->is_pattern = is_pattern;
	result = reader_take_all(&reader);
	reader_end_bytes(&reader);
	bytes_fini(&reader.bytes);
	if (result < 0)
		template_fini(template);
	return result;
}

void template_fini(struct template *template)
{
	size_t i;

	for (i = 0; i < template->count; i++) {
		free(template->parts[i].text);
		free(template->parts[i].name);
	}
	free(template->parts);
	memset(template, 0, sizeof(*template));
}

const char *template_unknown(const struct template *template,
			     const struct values *values)
{
	size_t i;

	for (i = 0; i < template->count; i++) {
		const struct template_part *part = &template->parts[i];

		if (part->name != NULL &&
		    (part->text != NULL ||
		     values_find(values, part->name) == NULL))
			return part->name;
	}
	return NULL;
}

void template_expand(const struct template *template,
		     const struct values *values, struct bytes *out)
{
	const struct value *value;
	size_t i;

	for (i = 0; i < template->count; i++) {
		const struct template_part *part = &template->parts[i];

		if (part->name == NULL) {
			bytes_add(out, part->text, part->len);
			continue;
		}
		value = values_find(values, part->name);
		if (value != NULL)
			bytes_add(out, value->text, value->len);
	}
}

void template_show(const struct template *template, const struct values *values,
		   struct bytes *out)
{
	const struct value *value;
	struct bytes known = {0};
	size_t i;

	/* Known bytes are shown in one piece, because escape_text() escapes a
	 * blank at the end of a piece. */
	for (i = 0; i < template->count; i++) {
		const struct template_part *part = &template->parts[i];

		if (part->name == NULL) {
			bytes_add(&known, part->text, part->len);
			continue;
		}
		value = part->text == NULL ? values_find(values, part->name)
					   : NULL;
		if (value != NULL) {
			bytes_add(&known, value->text, value->len);
			continue;
		}
		escape_part(out, bytes_text(&known), known.len);
		bytes_clear(&known);
		bytes_add_format(out, part->text != NULL ? "{%s:%s}" : "{%s}",
				 part->name, part->text);
	}
	escape_text(out, bytes_text(&known), known.len);
	bytes_fini(&known);
}
