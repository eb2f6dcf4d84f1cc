/* SPDX-License-Identifier: MIT */
/*
 * The messages of a load, such as "file:line: what". They are added while files
 * are read and checked, and sorted by file and line at the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A place in a file; line 0: the file as a whole. */
struct conf_place {
	const char *file;
	unsigned line;
	unsigned file_number; /* in the order of reading */
};

/* ---- for the caller of a load ------------------------------------------ */

struct conf_message {
	char *text; /* "file:line: what" */
	unsigned file_number, line;
};

struct conf_messages {
	struct conf_message *items;
	size_t count, room;
};

/* Errors make the load fail; warnings do not. After a load both lists are
 * sorted by file and line. */
struct conf_errors {
	struct conf_messages errors;
	struct conf_messages warnings;
	/* Paths and patterns of includes that are not in conf_env.files; they
	 * make the load fail. */
	struct conf_messages needs;
};

void conf_errors_init(struct conf_errors *errors);
void conf_errors_fini(struct conf_errors *errors);

/* ---- for the load ------------------------------------------------------ */

/* The most messages of a kind; further messages are dropped, because a wrong
 * file may cause any number. */
#define CONF_MESSAGES_MAX 1000

/* Shared by all parts of a load. errors belongs to the caller. oom: memory ran
 * out, so the load fails. */
struct conf_report {
	struct conf_errors *errors;
	bool oom;
};

void conf_error(struct conf_report *report, const struct conf_place *place,
		const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Add the message "file:line: context: what"; an empty context is left out. */
void conf_error_with(struct conf_report *report, const char *context,
		     const struct conf_place *place, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void conf_warning_with(struct conf_report *report, const char *context,
		       const struct conf_place *place, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

void conf_need(struct conf_report *report, const char *path);

/* Adds a copy of another load's message. */
void conf_message_copy(struct conf_report *report,
		       struct conf_messages *messages,
		       const struct conf_message *message);

/* Sorts both lists, and adds an error if memory ran out. */
void conf_report_finish(struct conf_report *report);

/* Prepares a text for quoting in a message: cut to the size of buf, control
 * characters escaped. Returns buf. */
#define CONF_QUOTED_MAX 100
const char *conf_quoted(const char *text, char buf[CONF_QUOTED_MAX]);
