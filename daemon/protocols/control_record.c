/* SPDX-License-Identifier: MIT */
/* Writes records as JSON, with the values in the record's order. */
#include "control_record.h"

#include <string.h>

static void record_write_list(struct text *text,
			      const struct lined_value *value)
{
	uint64_t i;

	text_puts(text, "[");
	for (i = 0; i < value->number; i++) {
		text_puts(text, i > 0 ? "," : "");
		text_quote(text, value->items[i]);
	}
	text_puts(text, "]");
}

static void record_write_value(struct text *text,
			       const struct lined_value *value)
{
	switch (value->type) {
	case LINED_VALUE_TEXT:
		text_quote(text, value->text);
		break;
	case LINED_VALUE_NUMBER:
		text_printf(text, "%llu", (unsigned long long)value->number);
		break;
	case LINED_VALUE_FLAG:
		text_puts(text, value->number != 0 ? "true" : "false");
		break;
	case LINED_VALUE_LIST:
		record_write_list(text, value);
		break;
	}
}

/* The length of GROUP in a name GROUP.MEMBER; 0: no group. */
static size_t record_group_len(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot != NULL ? (size_t)(dot - name) : 0;
}

void control_record_write(struct text *text, const struct lined_record *record)
{
	const char *group = "";
	size_t len = 0, i;

	text_printf(text, "{\"kind\":\"%s\"", record->kind);
	for (i = 0; i < record->count; i++) {
		const char *name = record->values[i].name;
		size_t next = record_group_len(name);
		bool same = next == len && memcmp(name, group, len) == 0;

		if (len > 0 && !same)
			text_puts(text, "}");
		text_puts(text, ",");
		if (next > 0 && !same)
			text_printf(text, "\"%.*s\":{", (int)next, name);
		group = name;
		len = next;
		text_printf(text, "\"%s\":", len > 0 ? name + len + 1 : name);
		record_write_value(text, &record->values[i]);
	}
	text_puts(text, len > 0 ? "}}\n" : "}\n");
}

void control_record_write_end(struct text *text, const char *error)
{
	const struct lined_value value = {
		.name = "error", .type = LINED_VALUE_TEXT, .text = error};
	const struct lined_record record = {
		.kind = error != NULL ? "error" : "ok",
		.count = error != NULL,
		.values = &value,
	};

	control_record_write(text, &record);
}
