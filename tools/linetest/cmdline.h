/* SPDX-License-Identifier: MIT */
/*
 * The command line of linetest(1).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "linetest/transcript.h"

struct cmdline {
	char **files; /* transcripts */
	int file_count;
	const char *lined;      /* NULL: to be found */
	const char *module_dir; /* NULL: to be found */
	const char *exec;       /* a program to be tested; NULL: none */
	bool check;             /* read the transcripts, play nothing */
	bool fragment;
	unsigned random_cuts;
	bool seed_given;
	uint64_t seed;
	unsigned workers; /* 0: the number in the transcript, or 1 */
	uint32_t patience_ms, timeout_ms; /* timeout_ms 0: the default */
	bool tap, verbose, keep_going, keep;
	const char *record;  /* the file to write; NULL: play */
	const char *listen;  /* for --record; NULL: a free port */
	const char *connect; /* a server; NULL: start a daemon */
	/* The transports of clients for which the transcript chooses none.
	 * over_count is at least 1. */
	enum transport over[TRANSPORTS];
	size_t over_count;
	bool over_given;
};

enum cmdline_result {
	CMDLINE_RUN,
	CMDLINE_SHOWN, /* the help or the version was printed: exit */
	CMDLINE_WRONG, /* a message was printed */
};

enum cmdline_result cmdline_read(struct cmdline *cmdline, int argc,
				 char **argv);
