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

/* Opens the log, for lines of LOG_LOCAL3 and "lined". */
void open_to(enum log_target target, enum lined_log_level level);

/* The same to stderr, from LINED_LOG_INFO on. */
void open_stderr(void);

/* ---- /dev/log -------------------------------------------------------- */

extern int syslog_reader; /* -1: there is no /dev/log */
extern char syslog_text[4096];

/* SOCK_DGRAM or SOCK_STREAM. */
void serve_syslog(int type);
void end_syslog(void);

/* The next record without time and process: "<157>lined: text". */
const char *read_syslog(int fd);

/* ---- stderr ---------------------------------------------------------- */

#define LOG_FIXTURE_MAX (1 << 20)

extern int out; /* where stderr can be read; -1: nowhere */
extern char got[LOG_FIXTURE_MAX];

/* Puts another file in the place of stderr: takes over both descriptors. */
void use_stderr(int fd, int read_end);

/* Everything that went to stderr, which is the one of the process again. */
const char *read_all(void);

/* Adds to got[], which is len long; waits if nothing has come. */
void read_more(size_t *len);

/* Reads stderr until this is in it. */
const char *read_until(const char *text);

/* How often a part is in a text. */
unsigned count_of(const char *text, const char *part);
