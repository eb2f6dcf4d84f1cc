/* SPDX-License-Identifier: MIT */
/*
 * The daemon on the main thread: start, reload, signals, stop. main.c calls it
 * and exits with the code that it returns.
 */
#pragma once

struct cmdline;

/* Exit codes, lined(8). */
enum exit_code {
	EXIT_STOPPED = 0,
	EXIT_BAD_CONFIG = 1,
	EXIT_BAD_USAGE = 2,
	EXIT_NOT_STARTED = 3,
};

/* For lined -t: loads the config and its modules, and prints errors and
 * warnings to stderr. */
enum exit_code daemon_check(const struct cmdline *cmdline);

/* Runs the daemon until a signal stops it. */
enum exit_code daemon_run(const struct cmdline *cmdline);
