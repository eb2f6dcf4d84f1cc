/* SPDX-License-Identifier: MIT */
/*
 * Prints the result of each run as soon as it is known, on standard output.
 */
#include "config.h"

#include "linetest/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "linetest/escape.h"

#define GREEN "\033[32m"
#define RED   "\033[31m"

void report_init(struct report *report)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

	report->terminal = !report->tap && isatty(STDOUT_FILENO) &&
			   term != NULL && strcmp(term, "dumb") != 0 &&
			   (no_color == NULL || no_color[0] == '\0');
}

/* Removes the line of report_begin(). */
static void report_clear(const struct report *report)
{
	if (report->terminal)
		fputs("\r\033[K", stdout);
}

void report_begin(const struct report *report, const char *file,
		  const char *about)
{
	struct winsize size = {.ws_col = 80};
	char *text;

	if (!report->terminal)
		return;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		size.ws_col = 80;
	text = memory_format("%s: run %u (%s)", file, report->file_runs + 1,
			     about);
	report_clear(report);
	/* A line that wraps could not be removed. */
	escape_print(stdout, "%.*s", size.ws_col - 1, text);
	fflush(stdout);
	free(text);
}

void report_warn(const struct report *report, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = memory_format_list(format, args);
	va_end(args);
	report_clear(report);
	escape_print(stdout, "%swarning: %s\n", report->tap ? "# " : "", text);
	free(text);
}

void report_warn_slow(struct report *report, const char *file,
		      const struct bytes *log)
{
	static const char slow[] = " took longer than 100 ms";

	if (report->file_is_slow || log->len == 0 ||
	    strstr(log->data, slow) == NULL)
		return;
	report->file_is_slow = true;
	report_warn(report,
		    "%s: a handler took longer than 100 ms: meanwhile, no "
		    "other client of its worker is served",
		    file);
}

/* "ok   " or "FAIL ", in its colour. */
static void print_verdict(const struct report *report, bool good)
{
	const char *word = good ? "ok" : "FAIL";

	report_clear(report);
	if (report->terminal)
		printf("%s%s\033[0m%*s", good ? GREEN : RED, word, good ? 3 : 1,
		       "");
	else
		printf("%-5s", word);
}

static void print_indented(const char *text, const char *indent)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		escape_print(stdout, "%s%.*s\n", indent, (int)len, text);
		text += len + (text[len] == '\n');
	}
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
		escape_print(stdout, "%s %u - %s (%s)\n",
			     failure->len > 0 ? "not ok" : "ok", report->runs,
			     file, about);
		print_indented(bytes_text(failure), "# ");
	} else if (failure->len > 0) {
		print_verdict(report, false);
		escape_print(stdout, "%s (%s)\n", file, about);
		print_indented(bytes_text(failure), "");
	} else if (report->verbose) {
		print_verdict(report, true);
		escape_print(stdout, "%s (%s)\n", file, about);
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
	else if (!report->tap && !report->verbose) {
		print_verdict(report, true);
		escape_print(stdout, "%s (%u %s)\n", file, report->file_runs,
			     report->file_runs == 1 ? "run" : "runs");
	}
	report->file_runs = report->file_failed = 0;
	report->file_is_slow = false;
	fflush(stdout);
}

void report_end(const struct report *report)
{
	report_clear(report);
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
