/* SPDX-License-Identifier: MIT */
/*
 * Runs this program again as a separate process, for work that may crash or use
 * up memory and time. Main thread.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "system/self_spawn.h"

struct subprocess {
	pid_t pid;
	int out; /* its standard output; non-blocking */
	int err; /* a file that is its standard error */
};

/* Starts a process for the role, with these bytes as standard input. -1 and
 * errno. */
int subprocess_start(struct subprocess *process, enum self_role role,
		     const void *input, size_t len);

/* Ends the process, by SIGKILL if it still runs, and closes the descriptors.
 * Returns the status as wait(2) does. text gets the standard error, as much as
 * fits, with a NUL. */
int subprocess_end(struct subprocess *process, char *text, size_t size);

/* Called in the process: limits memory, CPU time and running time. */
void subprocess_limit(size_t memory, unsigned seconds);

/* Called in the process: returns all of standard input, followed by a NUL; NULL
 * and errno. */
char *subprocess_input(size_t *len);
