/* SPDX-License-Identifier: MIT */
/*
 * Daemonises as daemon(7) describes for SysV: fork, setsid, fork, chdir.
 * Through a pipe the first process gets the result of the start.
 */
#include "config.h"

#include "system/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "system/fd_close.h"

#define DIED_AT_START 3

static int result_fd = -1;

static int detach_to_null(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), result;

	if (null < 0)
		return -1;
	result = dup2(null, fd);
	close(null);
	return result < 0 ? -1 : 0;
}

static int detach_fork(int fds[2])
{
	pid_t pid = fork();

	if (pid < 0)
		return -1;
	if (pid > 0) {
		unsigned char code;
		ssize_t n;

		close(fds[1]);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		/* This is the first process: wait for the result and exit with
		 * it. */
		code = DIED_AT_START;
		do
			n = read(fds[0], &code, 1);
		while (n < 0 && errno == EINTR);
		/* _exit() skips the atexit() handlers, which would clean up
		 * what the daemon uses. */
		_exit(n == 1 ? code : DIED_AT_START);
	}
	if (setsid() < 0)
		_exit(DIED_AT_START);
	pid = fork();
	if (pid < 0)
		_exit(DIED_AT_START);
	if (pid > 0)
		_exit(0);
	return 0;
}

int detach(void)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	if (detach_fork(fds) < 0) {
		fd_close(fds[0]);
		fd_close(fds[1]);
		return -1;
	}
	close(fds[0]);
	result_fd = fds[1];
	/* Any other directory's file system could not be unmounted while the
	 * daemon runs. */
	if (chdir("/") < 0 || detach_to_null(STDIN_FILENO) < 0 ||
	    detach_to_null(STDOUT_FILENO) < 0)
		return -1;
	return 0;
}

void detach_done(int code)
{
	unsigned char byte = (unsigned char)code;

	if (result_fd < 0)
		return;
	detach_to_null(STDERR_FILENO);
	while (write(result_fd, &byte, 1) < 0 && errno == EINTR)
		;
	close(result_fd);
	result_fd = -1;
}
