/* SPDX-License-Identifier: MIT */
/* How the keeper controls descendants of its programs on Linux. */
#include "config.h"

#include "system/program_keeper.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

void keeper_settle(void)
{
	syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
}

void keeper_kill_children(void)
{
	char path[64];
	FILE *file;
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children",
		 (int)getpid());
	file = fopen(path, "re");
	if (file == NULL)
		return;
	while (fscanf(file, "%d", &pid) == 1)
		kill(pid, SIGKILL);
	fclose(file);
}

/*
 * The mark of programs: a hard RLIMIT_LOCKS, a limit that the kernel no longer
 * uses. Processes inherit it, and can only lower it unless they are root.
 * Looking for parent processes would not work: a parent may have ended, or be
 * hidden in /proc.
 */
#define LOCKS_OF_PROGRAMS 1000000

int keeper_bind_program(pid_t watcher)
{
	struct rlimit mark;

	prctl(PR_SET_PDEATHSIG, (long)SIGKILL, 0L, 0L, 0L);
	prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L);
	/* With Yama only ancestors may trace, and the helper is not an
	 * ancestor. */
	if (watcher > 0)
		prctl(PR_SET_PTRACER, (long)watcher, 0L, 0L, 0L);
	if (getrlimit(RLIMIT_LOCKS, &mark) < 0)
		return -1;
	if (mark.rlim_max > LOCKS_OF_PROGRAMS)
		mark.rlim_max = LOCKS_OF_PROGRAMS;
	mark.rlim_cur = mark.rlim_max;
	return setrlimit(RLIMIT_LOCKS, &mark);
}

/* A program has lined's user and group and cannot get others. */
bool keeper_may_have(const struct peercred *peer)
{
	struct rlimit mark;

	if (peer->uid != geteuid() || peer->gid != getegid())
		return false;
	return prlimit(peer->pid, RLIMIT_LOCKS, NULL, &mark) < 0 ||
	       mark.rlim_max <= LOCKS_OF_PROGRAMS;
}
