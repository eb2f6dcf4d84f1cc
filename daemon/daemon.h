/* SPDX-License-Identifier: MIT */
/*
 * The daemon from its config to its end: what the main thread does besides
 * serving. main.c calls it and exits with what it returns.
 */
#ifndef DAEMON_H
#define DAEMON_H

struct cmdline;

/* Exit codes, lined(8). */
enum exit_code {
	EXIT_STOPPED = 0,
	EXIT_BAD_CONFIG = 1,
	EXIT_BAD_USAGE = 2,
	EXIT_NOT_STARTED = 3,
};

/* lined -t: loads the config and its modules, says what it found on stderr. */
enum exit_code daemon_check(const struct cmdline *cmdline);

/* Runs until it is told to stop. */
enum exit_code daemon_run(const struct cmdline *cmdline);

#endif
