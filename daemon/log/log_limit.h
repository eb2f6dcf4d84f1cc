/* SPDX-License-Identifier: MIT */
/*
 * The rate limit of the log, for each kind of message. Counts only: the owner
 * has the clock and the lock, and writes the reports.
 */
#ifndef LOG_LIMIT_H
#define LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define LOG_LIMIT_KINDS     64
#define LOG_LIMIT_WINDOW_MS 5000
#define LOG_LIMIT_SAMPLE    256

struct log_kind {
	const void *kind; /* NULL: the entry is free */
	uint64_t end_ms;  /* of the window */
	uint32_t passed;
	/* Messages since the last report; unless this is 0, the next report is
	 * due at due_ms. */
	uint32_t suppressed;
	uint64_t due_ms;
	int level;
	char sample[LOG_LIMIT_SAMPLE];
};

struct log_limit {
	/* When the next report is due; UINT64_MAX: none is. */
	uint64_t due_ms;
	struct log_kind kinds[LOG_LIMIT_KINDS];
};

enum log_verdict {
	LOG_PASS,
	LOG_SUPPRESS,
	LOG_SUPPRESS_FIRST, /* its text is wanted: log_limit_sample() */
};

/* "N similar messages suppressed: SAMPLE". */
struct log_report {
	uint32_t suppressed;
	int level;
	char sample[LOG_LIMIT_SAMPLE]; /* may be empty */
};

void log_limit_init(struct log_limit *limit);

/* Whether one more message of this kind may pass: `burst` messages may in each
 * window, and the first message begins the window. If the table is full,
 * messages of new kinds pass. */
enum log_verdict log_limit_check(struct log_limit *limit, const void *kind,
				 int level, uint32_t burst, uint64_t now_ms);

/* Stores the text of the first message that was suppressed. */
void log_limit_sample(struct log_limit *limit, const void *kind,
		      const char *text);

/*
 * Takes one report that is due at now_ms (UINT64_MAX: any report); false: there
 * is none.
 */
bool log_limit_take(struct log_limit *limit, uint64_t now_ms,
		    struct log_report *report);

#endif
