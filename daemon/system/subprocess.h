/* SPDX-License-Identifier: MIT */
/*
 * This program again, as a process of its own, for work that may crash or use
 * up memory and time. Knows nothing of the work. Main thread.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "system/self.h"

struct subprocess {
	pid_t pid;
	int out; /* its standard output; not blocking */
	int err; /* a file with its standard error */
};

/* Starts it for the role, with these bytes as its standard input. -1 and errno.
 */
int subprocess_start(struct subprocess *process, enum self_role role,
		     const void *input, size_t len);

/* Ends it, by SIGKILL if it still runs, and closes the descriptors. Returns its
 * status: wait(2). text gets what it has written to its standard error, as far
 * as there is room, with a NUL. */
int subprocess_end(struct subprocess *process, char *text, size_t size);

/* In the process itself: bounds its memory, its CPU time and its life. */
void subprocess_limit(size_t memory, unsigned seconds);

/* In the process itself: all of its standard input, followed by a NUL; NULL and
 * errno. */
char *subprocess_input(size_t *len);
