/* SPDX-License-Identifier: MIT */
/*
 * Handlers for the suites that write down, as text, what read_line returned and
 * how the socket ended, so that a test compares one string. They send no answer
 * unless asked to.
 *
 * <hello\n>    a line and its terminator; <hello> without one
 * <hel...\n>   a truncated line
 * !            LINED_LINE_TOO_LONG
 * $            LINED_LINE_CLOSED
 * E104         LINED_LINE_ERROR and errno
 * #peer        handle_close and its reason
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lined/socket.h>

struct recorder {
	char *log;
	size_t len, room;
	unsigned lines, reads, too_long, closes;
	enum lined_close_reason reason;
	int error;
	bool echo;           /* sends each line back */
	const char *scold;   /* sent on a line that is too long */
	unsigned stop_after; /* lines per handle_read; 0: all */
	bool quiet;          /* only counts */
};

extern const struct lined_socket_handlers recorder_handlers;

/* The log as a string. */
const char *recorder_log(const struct recorder *recorder);
void recorder_fini(struct recorder *recorder);
