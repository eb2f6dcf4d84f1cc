/* SPDX-License-Identifier: MIT */
/*
 * Parses the command line, see lined(8), and prints help. Never exits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "log/log.h"

#define CMDLINE_MODULE_DIRS_MAX 8

struct cmdline {
	const char *config; /* never NULL */
	/* The directory of each -m, in order. */
	const char *module_dirs[CMDLINE_MODULE_DIRS_MAX];
	size_t module_dir_count;
	const char *pid_file; /* NULL: not given */
	int notify_fd;        /* -1: not given */
	bool check;
	bool detach;
	bool log_level_given, log_target_given;
	enum lined_log_level log_level;
	enum log_target log_target;
};

enum cmdline_result {
	CMDLINE_RUN,   /* cmdline is filled in */
	CMDLINE_SHOWN, /* help or version was printed: exit */
	CMDLINE_WRONG, /* the error was printed on stderr */
};

/* Parses the command line. Strings point into argv or are constants. If the
 * process will detach, relative paths are replaced by absolute ones, in memory
 * that is never freed. */
enum cmdline_result cmdline_parse(struct cmdline *cmdline, int argc,
				  char **argv);
