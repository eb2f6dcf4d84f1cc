/* SPDX-License-Identifier: MIT */
/*
 * Runs in the helper's process on Linux and answers lined's requests. The
 * process has one thread, and no descriptor but its socket and /dev/null.
 */
#include "config.h"

#include "system/hardening_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fail.h"
#include "system/fd_close.h"
#include "system/fd_message.h"
#include "system/hardening_helper_messages.h"

/* The socket, from helper_open(). */
#define HELPER_FD STDIN_FILENO

struct helper_child {
	enum self_role role;
	const int *fds;
	int failed; /* pipe for the errno of a failure */
};

static int helper_child_run(void *arg)
{
	const struct helper_child *child = arg;
	int error;

	self_heed_signals(SIG_DFL);
	self_become(child->role, child->fds);
	error = errno;
	if (write(child->failed, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

/* Starts a process as a child of lined (CLONE_PARENT), because lined waits for
 * it. Returns its id; on failure -1 or the negated id, and errno. */
static pid_t helper_fork(const struct helper_request *request, const int fds[3])
{
	static _Alignas(16) char stack[65536];
	struct helper_child child = {.role = (enum self_role)request->number,
				     .fds = fds};
	int channel[2], error = 0;
	pid_t pid;

	if (fds[2] < 0 ||
	    (child.role != SELF_CONFIG_READER && child.role != SELF_KEEPER))
		return fail_with(EINVAL);
	if (pipe2(channel, O_CLOEXEC) < 0)
		return -1;
	child.failed = channel[1];
	pid = clone(helper_child_run, stack + sizeof(stack),
		    CLONE_PARENT | SIGCHLD, &child);
	if (pid < 0)
		error = errno;
	close(channel[1]);
	/* If execve(2) fails, lined must still reap the process: a negated id
	 * tells it so. */
	if (pid > 0 && read(channel[0], &error, sizeof(error)) == sizeof(error))
		pid = -pid;
	close(channel[0]);
	errno = error;
	return pid;
}

/*
 * Removes a socket or the pid file. If any path were accepted, an intruder in
 * lined could remove the user's files. A socket's directory is held open from
 * the check to the removal, so a changed path has no effect; only a user who
 * may write to the directory can replace the file.
 */
static int helper_unlink(char *path, const char *removable)
{
	char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	struct stat file;
	int directory, result = -1;

	if (strcmp(path, removable) == 0)
		return unlink(path);
	if (slash != NULL)
		*slash = '\0';
	directory = open(slash == NULL   ? "."
			 : slash == path ? "/"
					 : path,
			 O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return -1;
	if (fstatat(directory, name, &file, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EPERM;
		if (S_ISSOCK(file.st_mode))
			result = unlinkat(directory, name, 0);
	}
	fd_close(directory);
	return result;
}

static void helper_answer(struct helper_request *request, const int fds[3])
{
	static char removable[PATH_MAX];
	static bool fixed;
	struct helper_answer answer = {.value = -1};
	struct iovec part = {&answer, sizeof(answer)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	int fd = -1;

	errno = EINVAL;
	switch (request->kind) {
	case HELPER_REMOVABLE:
		if (fixed)
			break;
		fixed = true;
		strcpy(removable, request->path);
		answer.value = 0;
		break;
	case HELPER_SPAWN:
		answer.value = helper_fork(request, fds);
		break;
	case HELPER_REMOVE:
		answer.value = helper_unlink(request->path, removable);
		break;
	case HELPER_DEVICE:
		fd = helper_device_open(request->path);
		answer.value = fd < 0 ? -1 : 0;
		break;
	case HELPER_READS:
	case HELPER_MEMORY:
		answer.value =
			helper_process_looks((enum helper_kind)request->kind,
					     (pid_t)request->number);
		break;
	}
	answer.error = answer.value < 0 ? errno : 0;
	fd_message_send(HELPER_FD, &message, &fd, fd >= 0, 0);
	fd_close(fd);
}

/* Drops standard output and error: they may be a pipe whose reader waits for
 * the end of lined, not of the helper. */
static int helper_leave_output(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 ||
	    dup2(fd, STDERR_FILENO) < 0)
		return -1;
	return fcntl(HELPER_FD, F_SETFD, FD_CLOEXEC);
}

int helper_main(void)
{
	static struct helper_request request;
	int fds[FD_MESSAGE_MAX];

	/* A service manager may signal all processes at once, but lined still
	 * has sockets to remove. */
	self_heed_signals(SIG_IGN);
	syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
	if (helper_leave_output() < 0)
		return EXIT_FAILURE;
	while (fd_message_receive(HELPER_FD, &request, sizeof(request), fds) ==
	       sizeof(request)) {
		request.path[sizeof(request.path) - 1] = '\0';
		helper_answer(&request, fds);
		fd_message_close(fds);
	}
	return EXIT_SUCCESS;
}
