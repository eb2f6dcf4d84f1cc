/* SPDX-License-Identifier: MIT */
/*
 * Prints each result at once, on standard output.
 */
#include "config.h"

#include "linetest/report.h"

#include <stdio.h>
#include <string.h>

static void print_indented(const char *text, const char *indent)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		printf("%s%.*s\n", indent, (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static void tap_run(const struct report *report, const char *file,
		    const char *about, const struct bytes *failure)
{
	printf("%s %u - %s (%s)\n", failure->len > 0 ? "not ok" : "ok",
	       report->runs, file, about);
	print_indented(bytes_text(failure), "# ");
}

void report_run(struct report *report, const char *file, const char *about,
		const struct bytes *failure, const struct bytes *log)
{
	report->runs++;
	report->file_runs++;
	if (failure->len > 0) {
		report->failed_runs++;
		report->file_failed++;
	}
	if (report->tap) {
		tap_run(report, file, about, failure);
	} else if (failure->len > 0) {
		printf("FAIL %s (%s)\n", file, about);
		print_indented(bytes_text(failure), "");
	} else if (report->verbose) {
		printf("ok   %s (%s)\n", file, about);
	}
	if (report->verbose && failure->len == 0)
		print_indented(bytes_text(log),
			       report->tap ? "#   " : "       ");
	fflush(stdout);
}

void report_file(struct report *report, const char *file)
{
	report->transcripts++;
	if (report->file_failed > 0)
		report->failed_transcripts++;
	else if (!report->tap && !report->verbose)
		printf("ok   %s (%u %s)\n", file, report->file_runs,
		       report->file_runs == 1 ? "run" : "runs");
	report->file_runs = report->file_failed = 0;
	fflush(stdout);
}

void report_end(const struct report *report)
{
	if (report->tap)
		printf("1..%u\n", report->runs);
	else
		printf("%u %s, %u failed; %u %s, %u failed\n",
		       report->transcripts,
		       report->transcripts == 1 ? "transcript" : "transcripts",
		       report->failed_transcripts, report->runs,
		       report->runs == 1 ? "run" : "runs", report->failed_runs);
	fflush(stdout);
}
