/* SPDX-License-Identifier: MIT */
/* Starts this program again, as another process. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* The purpose of the process. */
enum self_role {
	SELF_CONFIG_READER, /* config/conf_subprocess.h */
	SELF_KEEPER,        /* system/program_keeper.h; no environment */
	SELF_HELPER,        /* system/hardening_helper.h */
};

/* Whether this process was started for the role. */
bool self_is(enum self_role role, int argc, char *const argv[]);

/* Whether /proc/self/exe is this program: false under valgrind and without
 * /proc. */
bool self_is_its_file(void);

/*
 * Starts a process in its own process group, with default signals. fds become
 * standard input, output and error; where a descriptor is negative, lined's own
 * is used. -1 and errno. See also helper_spawn().
 */
int self_spawn(pid_t *pid, enum self_role role, const int fds[3]);

/* Sets the handler for signals that operators and service managers send to
 * lined. The helper and the keeper ignore these signals. */
void self_heed_signals(void (*handler)(int));

/* Called in a process that the helper has started: executes this program again,
 * in the role. -1 and errno. */
int self_become(enum self_role role, const int fds[3]);
