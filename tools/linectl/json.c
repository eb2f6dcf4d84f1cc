/* SPDX-License-Identifier: MIT */
/*
 * Writes JSON. Records are written as record_parse() has left them: checked,
 * and without bytes that are not UTF-8.
 */
#include "config.h"

#include "linectl/json.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory_or_exit.h"
#include "linectl/utf8.h"

void json_string(FILE *out, const char *text, size_t len)
{
	char *copy = memory_copy(text, len), *at;

	utf8_mend(copy, len);
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

void json_record(FILE *out, const struct record *record)
{
	fprintf(out, "{%s", record->members);
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
	json_string(out, text, strlen(text));
	fputs("}\n", out);
}
