/* SPDX-License-Identifier: MIT */
/*
 * posix_spawn(3) of /proc/self/exe: this very file, even if another has taken
 * its place. A bare fork(2) would copy a large address space, keys in it, and
 * the locks of other threads.
 */
#include "config.h"

#include "system/self.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SELF "/proc/self/exe"

/* As it was started, without /proc and under valgrind, whose own file SELF
 * is. */
static const char *self_program(void)
{
	const char *preload = getenv("LD_PRELOAD");

	if (access(SELF, X_OK) < 0 ||
	    (preload != NULL && strstr(preload, "/vgpreload_") != NULL))
		return program_invocation_name;
	return SELF;
}

int self_spawn(pid_t *pid, char *const arguments[], char *const environment[],
	       const int fds[3])
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int error = 0, fd;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF |
						      POSIX_SPAWN_SETPGROUP);
	for (fd = 0; fd < 3 && error == 0; fd++)
		if (fds[fd] >= 0)
			error = posix_spawn_file_actions_adddup2(&actions,
								 fds[fd], fd);
	if (error == 0)
		error = posix_spawnp(pid, self_program(), &actions, &attributes,
				     arguments, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	errno = error;
	return error == 0 ? 0 : -1;
}
