/* SPDX-License-Identifier: MIT */
/*
 * This program again, as another process.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* The purpose of the process. */
enum self_role {
	SELF_CONFIG_READER, /* config/conf_child.h; it gets the environment */
	SELF_KEEPER,        /* system/keeper.h */
	SELF_HELPER,        /* system/helper.h */
};

/* Whether this process has been started for the role. */
bool self_is(enum self_role role, int argc, char *const argv[]);

/* Whether /proc/self/exe is this program: not under valgrind, nor without
 * /proc. */
bool self_is_its_file(void);

/*
 * Starts a process in a process group of its own and with the signals of a new
 * process. fds become its standard input, output and error; where one is
 * negative, it has lined's. -1 and errno. See helper_spawn(), too.
 */
int self_spawn(pid_t *pid, enum self_role role, const int fds[3]);

/* Handles the signals that operators and service managers send to lined: its
 * other processes ignore them. */
void self_heed_signals(void (*handler)(int));

/* In the helper, after fork(2): becomes the process. -1 and errno. */
int self_become(enum self_role role, const int fds[3]);
