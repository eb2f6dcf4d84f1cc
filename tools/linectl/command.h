/* SPDX-License-Identifier: MIT */
/*
 * The commands of linectl(1): what each takes, what it asks for, how its answer
 * is shown. They print; the exit status is the caller's.
 */
#ifndef LINECTL_COMMAND_H
#define LINECTL_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "linectl/control_socket.h"

/* Exit statuses of linectl(1). */
enum linectl_status {
	LINECTL_DONE = 0,
	LINECTL_REFUSED = 1,
	LINECTL_USAGE = 2,
	LINECTL_NO_DAEMON = 3,
};

struct command_call {
	const struct command *command;
	struct control_socket *control;
	const char *argument; /* "" where there is none */
	bool json;
	unsigned long lines; /* tap: how many; 0: until it is interrupted */
};

struct command;

/* NULL: there is none of this name. */
const struct command *command_find(const char *name);

/* What is wrong with so many arguments; NULL: nothing. */
const char *command_misused(const struct command *command, int arguments);
/* "drain SERVICE" */
const char *command_usage(const struct command *command);

/* A line for each of them, for the help. */
void command_list(FILE *out);

enum linectl_status command_run(const struct command_call *call);

#endif
