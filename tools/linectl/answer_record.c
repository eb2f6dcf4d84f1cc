/* SPDX-License-Identifier: MIT */
/*
 * Reads records. A line is copied once; the decoded texts are written after
 * it, in memory that is large enough for all of them.
 */
#include "config.h"

#include "linectl/answer_record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory_or_exit.h"
#include "linectl/utf8.h"

/* Reads the line at `at` and writes decoded texts at `out`, where there is room
 * for all texts that follow in the line. */
struct reader {
	const char *at;
	char *out;
};

/* ---- words --------------------------------------------------------------- */

/* Takes the leading bytes that are among `bytes`, as a string. NULL: there are
 * none. */
static const char *reader_take_word(struct reader *r, const char *bytes)
{
	size_t len = strspn(r->at, bytes);
	char *word = r->out;

	if (len == 0)
		return NULL;
	memcpy(word, r->at, len);
	word[len] = '\0';
	r->out += len + 1;
	r->at += len;
	return word;
}

/* ---- strings ------------------------------------------------------------- */

/* Reads the four digits of \uXXXX. -1: they are not there. */
static long reader_take_unit(struct reader *r)
{
	char digits[5] = "";

	if (strspn(r->at, "0123456789abcdefABCDEF") < 4)
		return -1;
	memcpy(digits, r->at, 4);
	r->at += 4;
	return strtol(digits, NULL, 16);
}

static void reader_put_utf8(struct reader *r, unsigned long point)
{
	if (point < 0x80) {
		*r->out++ = (char)point;
	} else if (point < 0x800) {
		*r->out++ = (char)(0xc0 | point >> 6);
		*r->out++ = (char)(0x80 | (point & 0x3f));
	} else {
		*r->out++ = (char)(0xe0 | point >> 12);
		*r->out++ = (char)(0x80 | (point >> 6 & 0x3f));
		*r->out++ = (char)(0x80 | (point & 0x3f));
	}
}

/* Reads an escape; `at` is after its backslash. A surrogate becomes U+FFFD: the
 * daemon writes no surrogates. */
static int reader_take_escape(struct reader *r)
{
	static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	const char *at;
	long unit;

	if (*r->at == 'u') {
		r->at++;
		unit = reader_take_unit(r);
		if (unit <= 0)
			return -1;
		reader_put_utf8(r, unit >= 0xd800 && unit < 0xe000
					   ? 0xfffd
					   : (unsigned long)unit);
		return 0;
	}
	at = *r->at != '\0' ? strchr(names, *r->at) : NULL;
	if (at == NULL)
		return -1;
	*r->out++ = bytes[at - names];
	r->at++;
	return 0;
}

static const char *reader_take_string(struct reader *r)
{
	char *text = r->out;

	r->at++;
	while (*r->at != '"') {
		if ((unsigned char)*r->at < 0x20)
			return NULL;
		if (*r->at != '\\') {
			*r->out++ = *r->at++;
			continue;
		}
		r->at++;
		if (reader_take_escape(r) < 0)
			return NULL;
	}
	r->at++;
	*r->out++ = '\0';
	return text;
}

/* Returns the text, or, if it is not safe for a terminal, an escaped copy. */
static const char *reader_show(struct reader *r, const char *text)
{
	char *shown = r->out;
	size_t len = utf8_show(shown, text);

	if (strcmp(shown, text) == 0)
		return text;
	r->out += len + 1;
	return shown;
}

/* ---- values ------------------------------------------------------------- */

/* Reads a list of strings as one string, with blanks between them. */
static const char *reader_take_list(struct reader *r)
{
	char *text = r->out;

	r->at++;
	while (*r->at != ']') {
		if (r->out > text) {
			if (*r->at++ != ',')
				return NULL;
			r->out[-1] = ' ';
		}
		if (*r->at != '"' || reader_take_string(r) == NULL)
			return NULL;
	}
	r->at++;
	if (r->out == text)
		*r->out++ = '\0';
	return text;
}

static int reader_take_number(struct reader *r, struct value *value)
{
	char *end;

	if (*r->at < '0' || *r->at > '9' ||
	    (r->at[0] == '0' && r->at[1] >= '0' && r->at[1] <= '9'))
		return -1;
	value->type = VALUE_NUMBER;
	errno = 0;
	value->number = strtoull(r->at, &end, 10);
	r->at = end;
	return errno == 0 ? 0 : -1;
}

static int reader_take_flag(struct reader *r, struct value *value)
{
	value->type = VALUE_FLAG;
	value->number = *r->at == 't';
	if (strncmp(r->at, "true", 4) == 0)
		r->at += 4;
	else if (strncmp(r->at, "false", 5) == 0)
		r->at += 5;
	else
		return -1;
	return 0;
}

static int reader_take_value(struct reader *r, struct value *value)
{
	switch (*r->at) {
	case '"':
	case '[':
		value->type = VALUE_TEXT;
		value->exact = *r->at == '[' ? reader_take_list(r)
					     : reader_take_string(r);
		if (value->exact == NULL)
			return -1;
		value->text = reader_show(r, value->exact);
		return 0;
	case 't':
	case 'f':
		return reader_take_flag(r, value);
	default:
		return reader_take_number(r, value);
	}
}

/* Whether the line is ASCII without escapes, so that no text in it needs
 * escapes on a terminal. */
static bool record_is_plain(const char *line, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (line[i] == '\\' || (unsigned char)line[i] >= 0x7f)
			return false;
	return true;
}

/* ---- records ------------------------------------------------------------ */

/* Reads `"name":`. NULL: the next bytes are something else. */
static const char *reader_take_name(struct reader *r)
{
	const char *name;

	if (*r->at++ != '"')
		return NULL;
	name = reader_take_word(r, "abcdefghijklmnopqrstuvwxyz0123456789_-");
	if (name == NULL || strncmp(r->at, "\":", 2) != 0)
		return NULL;
	r->at += 2;
	return name;
}

/* Reads a member of the record. If group is not NULL, the member is inside the
 * nested object of that name. */
static int record_take_member(struct record *record, struct reader *r,
			      const char *group)
{
	const char *name = reader_take_name(r);
	struct value *value;

	if (name == NULL)
		return -1;
	if (*r->at == '{' && group == NULL) {
		do {
			r->at++;
			if (record_take_member(record, r, name) < 0)
				return -1;
		} while (*r->at == ',');
		return *r->at++ == '}' ? 0 : -1;
	}
	record->values = memory_grow(record->values, record->count,
				     &record->room, sizeof(*record->values));
	value = &record->values[record->count++];
	memset(value, 0, sizeof(*value));
	value->name = memory_format("%s%s%s", group != NULL ? group : "",
				    group != NULL ? "." : "", name);
	return reader_take_value(r, value);
}

static int record_take(struct record *record, struct reader *r)
{
	static const char head[] = "{\"kind\":\"";

	if (strncmp(r->at, head, sizeof(head) - 1) != 0)
		return -1;
	r->at += sizeof(head) - 1;
	record->kind = reader_take_word(r, "abcdefghijklmnopqrstuvwxyz");
	if (record->kind == NULL || *r->at++ != '"')
		return -1;
	record->members = r->at + (*r->at == ',');
	while (*r->at == ',') {
		r->at++;
		if (record_take_member(record, r, NULL) < 0)
			return -1;
	}
	return strcmp(r->at, "}") == 0 ? 0 : -1;
}

int record_parse(struct record *record, const char *line, size_t len)
{
	struct reader r;

	memset(record, 0, sizeof(*record));
	if (memchr(line, '\0', len) != NULL)
		return -1;
	/* Room for the line, and for each of its texts as decoded and as
	 * escaped, with a NUL. Decoding makes no text longer. Escaping makes
	 * texts longer only in lines that are not plain. */
	record->memory = memory_new(
		len + 1, record_is_plain(line, len) ? 3 : 3 + UTF8_SHOWN);
	memcpy(record->memory, line, len);
	utf8_mend(record->memory, len);
	r.at = record->memory;
	r.out = record->memory + len + 1;
	if (record_take(record, &r) == 0)
		return 0;
	record_fini(record);
	return -1;
}

void record_fini(struct record *record)
{
	size_t i;

	for (i = 0; i < record->count; i++)
		free(record->values[i].name);
	free(record->values);
	free(record->memory);
	memset(record, 0, sizeof(*record));
}

bool record_is(const struct record *record, const char *kind)
{
	return strcmp(record->kind, kind) == 0;
}

const struct value *record_find(const struct record *record, const char *name)
{
	size_t i;

	for (i = 0; i < record->count; i++)
		if (strcmp(record->values[i].name, name) == 0)
			return &record->values[i];
	return NULL;
}

const char *record_text(const struct record *record, const char *name)
{
	const struct value *value = record_find(record, name);

	return value != NULL && value->type == VALUE_TEXT ? value->text : "";
}

const char *record_exact(const struct record *record, const char *name)
{
	const struct value *value = record_find(record, name);

	return value != NULL && value->type == VALUE_TEXT ? value->exact : "";
}

uint64_t record_number(const struct record *record, const char *name)
{
	const struct value *value = record_find(record, name);

	return value != NULL ? value->number : 0;
}

uint64_t record_sum(const struct record *record, const char *group)
{
	size_t len = strlen(group), i;
	uint64_t sum = 0;

	for (i = 0; i < record->count; i++) {
		const char *name = record->values[i].name;

		if (strncmp(name, group, len) == 0 && name[len] == '.')
			sum += record->values[i].number;
	}
	return sum;
}
