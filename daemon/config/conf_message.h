/* SPDX-License-Identifier: MIT */
/*
 * The messages of a load, "file:line: what": added while the files are read
 * and checked, put in the order of the files at the end.
 */
#ifndef CONF_MESSAGE_H
#define CONF_MESSAGE_H

#include "config/conf.h"

/*
 * What every part of a load shares. The lists in errors are the caller's;
 * oom is set when a message or anything else found no memory, and refuses the
 * configuration as an error does.
 */
struct conf_report {
	struct conf_errors *errors;
	bool oom;
};

void conf_error(struct conf_report *report, const struct conf_place *place,
		const char *format, ...) __attribute__((format(printf, 3, 4)));
void conf_warning(struct conf_report *report, const struct conf_place *place,
		  const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts both lists in order, and the lack of memory where there was one. */
void conf_report_finish(struct conf_report *report);

/* What stands in quotes in a message: cut, and no control characters. */
#define CONF_QUOTED_MAX 100
const char *conf_quoted(const char *text, char buf[CONF_QUOTED_MAX]);

#endif
