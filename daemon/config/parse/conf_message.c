/* SPDX-License-Identifier: MIT */
/*
 * Collects the messages of a load. The caller of the load logs or prints them.
 */
#include "config.h"

#include "config/parse/conf_message.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void conf_errors_init(struct conf_errors *errors)
{
	memset(errors, 0, sizeof(*errors));
}

/* Used when there is no memory for any message. */
static char no_memory_text[] = "configuration: out of memory";
static struct conf_message no_memory = {no_memory_text, UINT_MAX, 0};

static void messages_fini(struct conf_messages *messages)
{
	size_t i;

	if (messages->items == &no_memory)
		messages->items = NULL, messages->count = 0;
	for (i = 0; i < messages->count; i++)
		free(messages->items[i].text);
	free(messages->items);
	memset(messages, 0, sizeof(*messages));
}

void conf_errors_fini(struct conf_errors *errors)
{
	messages_fini(&errors->errors);
	messages_fini(&errors->warnings);
	messages_fini(&errors->needs);
}

static int messages_grow(struct conf_messages *messages)
{
	size_t room = messages->room == 0 ? 8 : messages->room * 2;
	struct conf_message *items;

	if (messages->count < messages->room)
		return 0;
	items = realloc(messages->items, room * sizeof(*items));
	if (items == NULL)
		return -1;
	messages->items = items;
	messages->room = room;
	return 0;
}

/* Formats "file:line: context: what"; NULL: no memory. */
static char *message_text(const struct conf_place *place, const char *context,
			  const char *format, va_list ap)
{
	char line[16] = "", *what, *text;

	if (place->line > 0)
		snprintf(line, sizeof(line), ":%u", place->line);
	if (vasprintf(&what, format, ap) < 0)
		return NULL;
	if (asprintf(&text, "%s%s: %s%s%s", place->file, line, context,
		     context[0] != '\0' ? ": " : "", what) < 0)
		text = NULL;
	free(what);
	return text;
}

/* Appends a message and takes ownership of text. text NULL: there was no memory
 * for it. */
static void messages_append(struct conf_report *report,
			    struct conf_messages *messages, char *text,
			    unsigned file_number, unsigned line)
{
	if (text == NULL || messages_grow(messages) < 0) {
		free(text);
		report->oom = true;
		return;
	}
	messages->items[messages->count++] =
		(struct conf_message){text, file_number, line};
}

static void messages_add(struct conf_report *report,
			 struct conf_messages *messages, const char *context,
			 const struct conf_place *place, const char *format,
			 va_list ap)
{
	if (messages->count > CONF_MESSAGES_MAX)
		return;
	if (messages->count == CONF_MESSAGES_MAX)
		messages_append(report, messages, strdup("and more"), UINT_MAX,
				0);
	else
		messages_append(report, messages,
				message_text(place, context, format, ap),
				place->file_number, place->line);
}

void conf_message_copy(struct conf_report *report,
		       struct conf_messages *messages,
		       const struct conf_message *message)
{
	messages_append(report, messages, strdup(message->text),
			message->file_number, message->line);
}

void conf_need(struct conf_report *report, const char *path)
{
	struct conf_messages *needs = &report->errors->needs;

	if (needs->count < CONF_MESSAGES_MAX)
		messages_append(report, needs, strdup(path), 0, 0);
}

void conf_error(struct conf_report *report, const struct conf_place *place,
		const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	messages_add(report, &report->errors->errors, "", place, format, ap);
	va_end(ap);
}

void conf_error_with(struct conf_report *report, const char *context,
		     const struct conf_place *place, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	messages_add(report, &report->errors->errors, context, place, format,
		     ap);
	va_end(ap);
}

void conf_warning_with(struct conf_report *report, const char *context,
		       const struct conf_place *place, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	messages_add(report, &report->errors->warnings, context, place, format,
		     ap);
	va_end(ap);
}

static bool message_is_after(const struct conf_message *a,
			     const struct conf_message *b)
{
	if (a->file_number != b->file_number)
		return a->file_number > b->file_number;
	return a->line > b->line;
}

/* An insertion sort: stable, and fast on a nearly sorted list. The list is
 * nearly sorted because checks run in file order. */
static void messages_sort(struct conf_messages *messages)
{
	struct conf_message held;
	size_t i, j;

	for (i = 1; i < messages->count; i++) {
		held = messages->items[i];
		for (j = i;
		     j > 0 && message_is_after(&messages->items[j - 1], &held);
		     j--)
			messages->items[j] = messages->items[j - 1];
		messages->items[j] = held;
	}
}

void conf_report_finish(struct conf_report *report)
{
	static const struct conf_place nowhere = {"configuration", 0, 0};
	size_t count;

	messages_sort(&report->errors->errors);
	messages_sort(&report->errors->warnings);
	if (!report->oom)
		return;
	count = report->errors->errors.count;
	conf_error(report, &nowhere, "out of memory");
	if (report->errors->errors.count > count)
		return;
	messages_fini(&report->errors->errors);
	report->errors->errors.items = &no_memory;
	report->errors->errors.count = 1;
}

const char *conf_quoted(const char *text, char buf[CONF_QUOTED_MAX])
{
	size_t used = 0;

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (used + 8 > CONF_QUOTED_MAX) {
			memcpy(buf + used, "...", 4);
			return buf;
		}
		if (c < ' ' || c == 0x7f)
			used += (size_t)sprintf(buf + used, "\\x%02x", c);
		else
			buf[used++] = (char)c;
	}
	buf[used] = '\0';
	return buf;
}
