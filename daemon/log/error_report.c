/* SPDX-License-Identifier: MIT */
/*
 * Logs the messages of a report and keeps copies.
 */
#include "config.h"

#include "log/error_report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/log_output.h"

void report_fini(struct report *report)
{
	size_t i;

	for (i = 0; i < report->count; i++)
		free(report->messages[i].text);
	free(report->messages);
	memset(report, 0, sizeof(*report));
}

void report_keep(struct report *report, enum lined_log_level level,
		 const char *text)
{
	size_t room = report != NULL && report->room > 0 ? report->room * 2 : 8;
	struct report_message *messages;
	int saved = errno;
	char *copy;

	if (report == NULL || level > LINED_LOG_WARNING)
		return;
	copy = strdup(text);
	if (report->count == report->room) {
		messages = realloc(report->messages, room * sizeof(*messages));
		if (messages != NULL) {
			report->messages = messages;
			report->room = room;
		}
	}
	if (copy != NULL && report->count < report->room) {
		report->messages[report->count].level = level;
		report->messages[report->count++].text = copy;
	} else {
		free(copy);
	}
	errno = saved;
}

void report_add(struct report *report, enum lined_log_level level,
		const char *format, ...)
{
	char text[LOG_TEXT_MAX];
	va_list arguments;
	int saved = errno;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_each(level, "%s", text);
	report_keep(report, level, text);
	errno = saved;
}
