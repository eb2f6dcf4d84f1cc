/* SPDX-License-Identifier: MIT */
/*
 * A report: the errors and warnings of one task, such as a reload, kept for the
 * caller and also logged. Used by one thread at a time.
 */
#pragma once

#include <stddef.h>

#include "log/log.h"

struct report_message {
	enum lined_log_level level;
	char *text;
};

/* A zeroed struct is an empty report. */
struct report {
	struct report_message *messages;
	size_t count, room;
};

void report_fini(struct report *report);

/* Logs a message, as log_each() does; an error or warning is also kept in the
 * report. With report NULL, or without memory, the message is only logged.
 * errno is kept. */
void report_add(struct report *report, enum lined_log_level level,
		const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Keeps an error or warning that has already been logged. */
void report_keep(struct report *report, enum lined_log_level level,
		 const char *text);
