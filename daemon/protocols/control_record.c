/* SPDX-License-Identifier: MIT */
/*
 * Writes records. What they say is the daemon's, in which order too.
 */
#include "control_record.h"

static void write_list(struct text *text, const struct lined_value *value)
{
	uint64_t i;

	text_puts(text, "[");
	for (i = 0; i < value->number; i++) {
		text_puts(text, i > 0 ? "," : "");
		text_quote(text, value->items[i]);
	}
	text_puts(text, "]");
}

static void write_value(struct text *text, const struct lined_value *value)
{
	text_printf(text, " %s=", value->name);
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
		write_list(text, value);
		break;
	}
}

void control_record_write(struct text *text, const struct lined_record *record)
{
	size_t i;

	text_puts(text, record->kind);
	for (i = 0; i < record->count; i++)
		write_value(text, &record->values[i]);
	text_puts(text, "\n");
}
