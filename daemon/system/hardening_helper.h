/* SPDX-License-Identifier: MIT */
/*
 * The helper: a process started before lined gives up its rights
 * (system/hardening.h), for the few things that lined may not do afterwards.
 * The helper starts lined's own file as a reader of the config or as a keeper,
 * removes UNIX sockets and the pid file, opens devices and FIFOs, and finds out
 * what a program waits for and how much memory it uses. Processes that the
 * helper starts are children of lined. The helper is lined's own binary under
 * another name, shares no memory with lined, and ends when lined does.
 *
 * Without a helper the same functions do the work in this process. If the
 * helper has ended, or is killed because it does not answer within 10 s, this
 * is logged once. Requests then fail: -1 with errno ESRCH. All functions but
 * helper_open() are MT-safe.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "system/self_spawn.h"

/* argv[0] of the helper. */
#define HELPER_NAME "lined-helper"

/*
 * Starts the helper, once in this process. The helper may later remove sockets
 * and the pid file `removable` (NULL: none). -1 and errno.
 */
int helper_open(const char *removable);
/* Whether the helper was started. */
bool helper_is_there(void);

/* The helper's process id; 0: no helper. */
pid_t helper_process(void);

/* self_spawn() through the helper. -1 and errno. */
int helper_spawn(pid_t *pid, enum self_role role, const int fds[3]);

/* unlink(2). -1 with errno: EPERM, the helper must not remove this file. */
int helper_remove(const char *path);

/* Opens a character device or a FIFO for reading and writing, non-blocking,
 * never as the controlling terminal. -1 with errno: ENODEV, the file is of
 * another kind; EMFILE. */
int helper_open_device(const char *path);

/* Whether a program's process sleeps in read(2) of its standard input: 1, 0;
 * -1: unknown, e.g. because the process polls. */
int helper_process_reads(pid_t pid);
/* The resident memory of such a process in KiB; -1: unknown. */
int helper_process_memory(pid_t pid);

/* The main() of the helper; returns the exit status. */
#ifdef HAVE_CAPABILITIES
int helper_main(void);
#else
static inline int helper_main(void)
{
	return 1;
}
#endif
