/* SPDX-License-Identifier: MIT */
/*
 * This program again, as another process.
 */
#ifndef SELF_H
#define SELF_H

#include <sys/types.h>

/*
 * Starts it with these arguments and this environment, in a process group of
 * its own and with the signals of a new process. fds become its standard input,
 * output and error; where one is negative, it has lined's. -1 and errno.
 */
int self_spawn(pid_t *pid, char *const arguments[], char *const environment[],
	       const int fds[3]);

#endif
