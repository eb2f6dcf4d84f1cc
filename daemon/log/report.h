/* SPDX-License-Identifier: MIT */
/*
 * A report: the errors and warnings of one piece of work, such as a reload,
 * kept for the caller that asked for the work. They are logged as well. Used by
 * one thread at a time.
 */
#pragma once

#include <stddef.h>

#include "log/log.h"

struct report_message {
	enum lined_log_level level;
	char *text;
};

/* Zeroed memory is an empty report. */
struct report {
	struct report_message *messages;
	size_t count, room;
};

void report_fini(struct report *report);

/* Logs a message, as log_each() does, and keeps it in the report if it is an
 * error or a warning. If report is NULL or memory runs out, the message is only
 * logged. errno is kept. */
void report_add(struct report *report, enum lined_log_level level,
		const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same for a message that has been logged. */
void report_keep(struct report *report, enum lined_log_level level,
		 const char *text);
