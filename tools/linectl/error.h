/* SPDX-License-Identifier: MIT */
/*
 * Error messages, and the exit statuses of linectl(1).
 */
#pragma once

#include <stdbool.h>

#include "linectl/control_socket.h"

enum linectl_status {
	LINECTL_DONE = 0,
	LINECTL_REFUSED = 1,
	LINECTL_USAGE = 2,
	LINECTL_NO_DAEMON = 3,
};

/* Writes "linectl: TEXT" to standard error. Text of the daemon or of the
 * command line may contain any bytes: control characters are escaped. */
void error_print(const char *text);

/* Calls error_print(). If json is true, also writes a document {"error":TEXT}
 * to standard output. Returns status. */
enum linectl_status error_report(bool json, enum linectl_status status,
				 const char *text);

/* The exit status for an answer with this end. */
enum linectl_status error_status(enum answer_end end);
