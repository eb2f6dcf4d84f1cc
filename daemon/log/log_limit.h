/* SPDX-License-Identifier: MIT */
/*
 * The rate limit of the log. Each kind of message (for example, refusals of a
 * service for one reason) has a limit for each address and a limit for all
 * addresses. So one address cannot suppress messages about another, and many
 * addresses together cannot fill the log. This file only counts: the owner
 * provides clock and lock and writes the reports.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LOG_LIMIT_WINDOW_MS 5000
#define LOG_LIMIT_SAMPLE    256

/* How many messages of a kind may pass in a window. each: about one address, or
 * without an address. all: about all addresses. */
struct log_burst {
	uint32_t each, all;
};

/* Windows are found by hash, in sets of LOG_LIMIT_WAYS. */
#define LOG_LIMIT_WAYS 8
#define LOG_LIMIT_SETS 128

/* Hashes; 0: none. */
struct log_limit_key {
	uint64_t kind; /* message and service */
	uint64_t from; /* kind and address; 0: no address */
};

struct log_window {
	uint64_t key;    /* 0: the entry is free */
	uint64_t end_ms; /* end of the window */
	uint32_t passed;
	/* Messages since the last report; if not 0, the next report is due at
	 * due_ms. */
	uint32_t suppressed;
	uint64_t due_ms;
	int level;
	char *sample; /* the first suppressed message; NULL: no memory */
};

struct log_limit {
	/* When the next report is due; UINT64_MAX: never. */
	uint64_t due_ms;
	struct log_window windows[LOG_LIMIT_SETS * LOG_LIMIT_WAYS];
};

enum log_verdict {
	LOG_PASS,
	LOG_SUPPRESS,
	LOG_SUPPRESS_FIRST, /* due_ms may have changed */
};

/* For the message "N similar messages suppressed: SAMPLE". */
struct log_report {
	uint32_t suppressed;
	int level;
	char sample[LOG_LIMIT_SAMPLE]; /* may be empty */
};

void log_limit_init(struct log_limit *limit);
void log_limit_fini(struct log_limit *limit);

/* Whether one more message may pass. The first message starts the window. If
 * all windows of a kind's set are in use and wait for their report, the kind
 * gets no window, and only the limit for each address holds. */
enum log_verdict log_limit_check(struct log_limit *limit,
				 const struct log_limit_key *key, int level,
				 const struct log_burst *burst, uint64_t now_ms,
				 const char *text);

/*
 * Takes a report that is due at now_ms (UINT64_MAX: any report); false: none.
 */
bool log_limit_take(struct log_limit *limit, uint64_t now_ms,
		    struct log_report *report);
