/* SPDX-License-Identifier: MIT */
/*
 * The command line of lined, lined(8). Reads it and prints help; never exits.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

#include "log/log.h"

struct options {
	const char *config;     /* never NULL */
	const char *module_dir; /* NULL: not given */
	bool check;
	bool detach;
	bool log_level_given, log_target_given;
	enum lined_log_level log_level;
	enum log_target log_target;
};

enum options_result {
	OPTIONS_RUN,   /* options is filled */
	OPTIONS_SHOWN, /* help or version was printed: that was all */
	OPTIONS_WRONG, /* what is wrong was said on stderr */
};

/* The strings of options are argv's. */
enum options_result options_parse(struct options *options, int argc,
				  char **argv);

#endif
