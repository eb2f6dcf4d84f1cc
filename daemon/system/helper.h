/* SPDX-License-Identifier: MIT */
/*
 * The helper: a process that is made before lined gives up its rights
 * (system/hardening.h), and does the few things that lined may not do any more
 * afterwards. It starts lined's own file as a reader of the config or as a
 * keeper, removes UNIX sockets and the pid file, opens devices and FIFOs, and
 * looks what a program waits for and how much memory it has.
 * Processes that it starts are children of lined. It is lined's own binary
 * under another name, with no memory of lined, and ends when lined does.
 *
 * Where there is none, the same functions act by themselves. If it has ended,
 * or does not answer within 10 s and is killed, that is logged once, and they
 * return -1 with errno ESRCH. MT-safe, but for helper_open().
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "system/self.h"

/* argv[0] of the process. */
#define HELPER_NAME "lined-helper"

/*
 * Starts it, for the life of this process. Beside sockets it will remove this
 * file only, the pid file; NULL: none. -1 and errno.
 */
int helper_open(const char *removable);
/* Whether it was started. */
bool helper_is_there(void);

/* Its process; 0: there is none. */
pid_t helper_process(void);

/* self_spawn(), by the helper. -1 and errno. */
int helper_spawn(pid_t *pid, enum self_role role, const int fds[3]);

/* unlink(2). -1 with errno: EPERM, the file is not one to be removed. */
int helper_remove(const char *path);

/* Opens a character device or a FIFO for reading and writing, non-blocking,
 * never as the controlling terminal. -1 with errno: ENODEV, it is something
 * else; EMFILE. */
int helper_open_device(const char *path);

/* Whether a process, lined's own or a child's, sleeps in read(2) of its
 * standard input: 1, 0; -1: not known, e.g. if it polls. */
int helper_process_reads(pid_t pid);
/* The resident memory of such a process in KiB; -1: not known. */
int helper_process_memory(pid_t pid);

/* The process; returns its exit status. */
#ifdef HAVE_CAPABILITIES
int helper_main(void);
#else
static inline int helper_main(void)
{
	return 1;
}
#endif
