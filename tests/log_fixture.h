/* SPDX-License-Identifier: MIT */
/*
 * The log of a test: while a test of a log_case() runs, stderr is a pipe, and
 * connections to /dev/log go to a socket of the test. Overrides connect(2).
 */
#pragma once

#include <check.h>
#include <stddef.h>

#include "log/log.h"

TCase *log_case(Suite *suite, const char *name);

/* Opens the log, with the facility LOG_LOCAL3 and the name "lined". */
void open_to(enum log_target target, enum lined_log_level level);

/* Opens the log on stderr, for LINED_LOG_INFO and above. */
void open_stderr(void);

/* ---- /dev/log -------------------------------------------------------- */

extern int syslog_reader; /* -1: there is no /dev/log */
extern char syslog_text[4096];

/* Makes /dev/log a socket of this type, SOCK_DGRAM or SOCK_STREAM. */
void serve_syslog(int type);
void end_syslog(void);

/* Returns the next record without time and process: "<157>lined: text". */
const char *read_syslog(int fd);

/* ---- stderr ---------------------------------------------------------- */

#define LOG_FIXTURE_MAX (1 << 20)

extern int out; /* the read end of stderr; -1: it is not a pipe of the test */
extern char got[LOG_FIXTURE_MAX];

/* Replaces stderr by another file. Takes over both descriptors. */
void use_stderr(int fd, int read_end);

/* Returns everything that went to stderr, and restores the process's own
 * stderr. */
const char *read_all(void);

/* Reads stderr into got[], which has *len bytes already; waits if there is
 * nothing. */
void read_more(size_t *len);

/* Reads stderr until it has contained this text. */
const char *read_until(const char *text);

/* How often the part occurs in the text. */
unsigned count_of(const char *text, const char *part);
