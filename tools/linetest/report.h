/* SPDX-License-Identifier: MIT */
/*
 * Prints the results: a line for each transcript, or each run, the texts of
 * failures, and the totals; as plain text or as TAP.
 */
#ifndef LINETEST_REPORT_H
#define LINETEST_REPORT_H

#include <stdbool.h>

#include "linetest/bytes.h"

struct report {
	bool tap, verbose;
	unsigned transcripts, failed_transcripts;
	unsigned runs, failed_runs;
	/* Runs of the current transcript. */
	unsigned file_runs, file_failed;
};

/* A run has ended; about is such as "whole, 2 workers". Prints the log if the
 * report is verbose. */
void report_run(struct report *report, const char *file, const char *about,
		const struct bytes *failure, const struct bytes *log);

/* All runs of a transcript have ended. */
void report_file(struct report *report, const char *file);

/* All transcripts have ended. */
void report_end(const struct report *report);

#endif
