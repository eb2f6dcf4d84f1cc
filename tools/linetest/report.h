/* SPDX-License-Identifier: MIT */
/*
 * Prints a line for each transcript or run, the texts of failures and the
 * totals, as plain text or as TAP.
 */
#pragma once

#include <stdbool.h>

#include "linetest/bytes.h"

struct report {
	bool tap, verbose;
	bool terminal; /* colours, and a line for the current run */
	unsigned transcripts, failed_transcripts;
	unsigned runs, failed_runs;
	/* Runs of the current transcript. */
	unsigned file_runs, file_failed;
	bool file_is_slow; /* report_warn_slow() has warned */
};

/* Sets `terminal` by the type of standard output, $TERM and $NO_COLOR. */
void report_init(struct report *report);

/* A run begins: on a terminal, a line shows it until the result is printed. */
void report_begin(const struct report *report, const char *file,
		  const char *about);

void report_warn(const struct report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Warns once for a transcript if its daemon's log says that a handler took
 * longer than 100 ms. */
void report_warn_slow(struct report *report, const char *file,
		      const struct bytes *log);

/* A run has ended; about: e.g. "whole, 2 workers". If the report is verbose,
 * prints the log of a run that passed. */
void report_run(struct report *report, const char *file, const char *about,
		const struct bytes *failure, const struct bytes *log);

/* All runs of a transcript have ended. */
void report_file(struct report *report, const char *file);

/* All transcripts have ended. */
void report_end(const struct report *report);
