/* SPDX-License-Identifier: MIT */
/*
 * Starts this program with posix_spawn(3) from /proc/self/exe, which is the
 * running file even if an update has replaced the file at its path. A bare
 * fork(2) would copy a large address space with keys and the locks of other
 * threads.
 */
#include "config.h"

#include "system/self_spawn.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "system/hardening_helper.h"
#include "system/program_keeper.h"

#define SELF "/proc/self/exe"

extern char **environ;

static char *const self_arguments[][3] = {
	[SELF_CONFIG_READER] = {(char *)"lined",
				(char *)"--internal-read-config", NULL},
	[SELF_KEEPER] = {(char *)KEEPER_NAME, NULL},
	[SELF_HELPER] = {(char *)HELPER_NAME, NULL},
};

static char *const *self_environment(enum self_role role)
{
	static char *const none[] = {NULL};

	return role == SELF_KEEPER ? none : environ;
}

/* The path of this program: SELF, but argv[0] without /proc and under valgrind,
 * where SELF is another file. */
static const char *self_program(void)
{
	const char *preload = getenv("LD_PRELOAD");

	if (access(SELF, X_OK) < 0 ||
	    (preload != NULL && strstr(preload, "/vgpreload_") != NULL))
		return program_invocation_name;
	return SELF;
}

bool self_is_its_file(void)
{
	return strcmp(self_program(), SELF) == 0;
}

bool self_is(enum self_role role, int argc, char *const argv[])
{
	char *const *arguments = self_arguments[role];

	if (arguments[1] != NULL)
		return argc == 2 && strcmp(argv[1], arguments[1]) == 0;
	return argc == 1 && strcmp(argv[0], arguments[0]) == 0;
}

void self_heed_signals(void (*handler)(int))
{
	static const int numbers[] = {SIGHUP,  SIGINT,  SIGQUIT,
				      SIGTERM, SIGUSR1, SIGUSR2};
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		signal(numbers[i], handler);
}

int self_become(enum self_role role, const int fds[3])
{
	int fd;

	if (setpgid(0, 0) < 0)
		return -1;
	for (fd = 0; fd < 3; fd++)
		if (dup2(fds[fd], fd) < 0)
			return -1;
	return execve(SELF, self_arguments[role], self_environment(role));
}

int self_spawn(pid_t *pid, enum self_role role, const int fds[3])
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
				     self_arguments[role],
				     self_environment(role));
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	errno = error;
	return error == 0 ? 0 : -1;
}
