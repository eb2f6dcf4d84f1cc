/* SPDX-License-Identifier: MIT */
/*
 * What linetest prints: a line for each transcript, or each run, the text of
 * failures, and a sum; as plain text or as TAP.
 */
#ifndef LINETEST_REPORT_H
#define LINETEST_REPORT_H

#include <stdbool.h>

#include "linetest/bytes.h"

struct report {
	bool tap, verbose;
	unsigned transcripts, failed_transcripts;
	unsigned runs, failed_runs;
	/* Of the transcript that is being run. */
	unsigned file_runs, file_failed;
};

/* A run has ended; about is "whole, 2 workers". log may be shown. */
void report_run(struct report *report, const char *file, const char *about,
		const struct bytes *failure, const struct bytes *log);

/* All runs of a transcript have. */
void report_file(struct report *report, const char *file);

/* All have. */
void report_end(const struct report *report);

#endif
