/* SPDX-License-Identifier: MIT */
/*
 * The commands of linectl(1): which argument each takes, what it requests, how
 * its answer is shown.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "linectl/control_socket.h"
#include "linectl/error.h"

struct command;

struct command_call {
	const struct command *command;
	struct control_socket *control;
	const char *argument; /* "" if there is none */
	bool json;
	unsigned long lines; /* tap: end after this many; 0: never */
};

/* NULL: there is no command of this name. */
const struct command *command_find(const char *name);

/* NULL, or a message if the command does not take this number of arguments. */
const char *command_misused(const struct command *command, int arguments);
/* "drain SERVICE" */
const char *command_usage(const struct command *command);

/* Writes a line for each command, for the help. */
void command_list(FILE *out);

/* Runs a command, which prints its answer or an error. */
enum linectl_status command_run(const struct command_call *call);
