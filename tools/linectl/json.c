/* SPDX-License-Identifier: MIT */
/*
 * Writes JSON. Values were checked when they were read, and are written as they
 * were received.
 */
#include "config.h"

#include "linectl/json.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory_or_exit.h"
#include "linectl/utf8.h"

void json_string(FILE *out, const char *text)
{
	char *copy = memory_copy(text, strlen(text)), *at;

	utf8_mend(copy, strlen(copy));
	fputc('"', out);
	for (at = copy; *at != '\0'; at++) {
		unsigned char byte = (unsigned char)*at;

		if (byte == '"' || byte == '\\')
			fprintf(out, "\\%c", byte);
		else if (byte < 0x20 || byte == 0x7f)
			fprintf(out, "\\u%04x", byte);
		else
			fputc(byte, out);
	}
	fputc('"', out);
	free(copy);
}

/* The length of the group in "group.name"; 0: there is none. */
static size_t group_len(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot != NULL ? (size_t)(dot - name) : 0;
}

static bool group_equals(const char *a, const char *b)
{
	size_t len = group_len(a);

	return len > 0 && len == group_len(b) && memcmp(a, b, len) == 0;
}

/* Writes the values of the group that begins at `at`, as one object. Returns
 * the number of values. */
static size_t json_group(FILE *out, const struct record *record, size_t at)
{
	const char *name = record->values[at].name;
	size_t len = group_len(name), i;

	fprintf(out, "\"%.*s\":{", (int)len, name);
	for (i = at;
	     i < record->count && group_equals(name, record->values[i].name);
	     i++)
		fprintf(out, "%s\"%s\":%s", i > at ? "," : "",
			record->values[i].name + len + 1,
			record->values[i].json);
	fputc('}', out);
	return i - at;
}

void json_record(FILE *out, const struct record *record)
{
	size_t i = 0;

	fputc('{', out);
	while (i < record->count) {
		const struct value *value = &record->values[i];

		if (i > 0)
			fputc(',', out);
		if (group_len(value->name) > 0) {
			i += json_group(out, record, i);
		} else {
			fprintf(out, "\"%s\":%s", value->name, value->json);
			i++;
		}
	}
	fputc('}', out);
}

void json_member(FILE *out, bool *first, const char *key, const char *kind,
		 bool single, const struct record *records, size_t count)
{
	size_t written = 0, i;

	fprintf(out, "%s\"%s\":", *first ? "" : ",", key);
	*first = false;
	if (!single)
		fputc('[', out);
	for (i = 0; i < count; i++) {
		if (!record_is(&records[i], kind) || (single && written > 0))
			continue;
		fputs(written++ > 0 ? ",\n" : "", out);
		json_record(out, &records[i]);
	}
	if (!single)
		fputc(']', out);
	else if (written == 0)
		fputs("null", out);
}

void json_error(FILE *out, const char *text)
{
	fputs("{\"error\":", out);
	json_string(out, text);
	fputs("}\n", out);
}
