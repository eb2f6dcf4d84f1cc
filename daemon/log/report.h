/* SPDX-License-Identifier: MIT */
/*
 * A report: the errors and warnings of one piece of work, such as a reload,
 * kept for whoever asked for it. They are logged as well. Belongs to one
 * thread at a time.
 */
#ifndef REPORT_H
#define REPORT_H

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

/*
 * Logs a message, as log_each() does, and keeps it in the report if it is an
 * error or a warning. report NULL: it is only logged; so it is without memory.
 * errno is kept.
 */
void report_add(struct report *report, enum lined_log_level level,
		const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same for a message that has been logged. */
void report_keep(struct report *report, enum lined_log_level level,
		 const char *text);

#endif
