/* SPDX-License-Identifier: MIT */
/*
 * lined's end of the connection to the helper, and functions that work at
 * either end. The ends are a SOCK_SEQPACKET pair, with one request and one
 * answer at a time. This suffices, because no answer takes longer than a fork
 * or an open.
 */
#include "config.h"

#include "system/hardening_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fail.h"
#include "log/log.h"
#include "system/fd_close.h"
#include "system/fd_message.h"
#include "system/hardening_helper_messages.h"

/* If the helper is stopped, lined must not wait for ever. */
#define ANSWER_TIMEOUT_S 10

static struct {
	pthread_mutex_t lock;
	bool there; /* the helper was started, and does the work from then on */
	int sock;   /* -1: the helper has ended */
	pid_t pid;
} helper = {.lock = PTHREAD_MUTEX_INITIALIZER, .sock = -1};

bool helper_is_there(void)
{
	return helper.there;
}

pid_t helper_process(void)
{
	pid_t pid;

	pthread_mutex_lock(&helper.lock);
	pid = helper.sock >= 0 ? helper.pid : 0;
	pthread_mutex_unlock(&helper.lock);
	return pid;
}

static void helper_end(void)
{
	close(helper.sock);
	helper.sock = -1;
	kill(helper.pid, SIGKILL);
	while (waitpid(helper.pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Called when the helper has ended or does not answer. Kills the helper,
 * because a late answer would be taken for the answer to the next request.
 * Starts no other helper, because lined has no rights left to pass on. */
static void helper_lose(void)
{
	helper_end();
	log_err("the helper process has ended: restart lined: until then it "
		"cannot reload, start programs or open devices");
}

/* Sends a request with `count` descriptors. Returns the value in the answer and
 * sets errno. *fd: the descriptor received; -1: none. */
static int helper_ask(const struct helper_request *request, const int *fds,
		      size_t count, int *fd)
{
	struct helper_answer answer = {.value = -1, .error = ESRCH};
	struct iovec part = {(void *)(uintptr_t)request, sizeof(*request)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	int came[FD_MESSAGE_MAX] = {-1, -1, -1};

	pthread_mutex_lock(&helper.lock);
	if (helper.sock >= 0 &&
	    fd_message_send(helper.sock, &message, fds, count, 0) < 0 &&
	    errno != EPIPE && errno != ECONNRESET) {
		answer.error = errno;
	} else if (helper.sock >= 0 &&
		   fd_message_receive(helper.sock, &answer, sizeof(answer),
				      came) != sizeof(answer)) {
		helper_lose();
		answer = (struct helper_answer){-1, ESRCH};
	}
	pthread_mutex_unlock(&helper.lock);
	*fd = came[0];
	errno = answer.error;
	return answer.value;
}

static int helper_ask_path(enum helper_kind kind, const char *path, int *fd)
{
	struct helper_request request = {.kind = kind};

	*fd = -1;
	if (strlen(path) >= sizeof(request.path))
		return fail_with(ENAMETOOLONG);
	strcpy(request.path, path);
	return helper_ask(&request, NULL, 0, fd);
}

int helper_open(const char *removable)
{
	const struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
	int ends[2], fds[3] = {-1, -1, -1}, error, fd;

	errno = ENOSYS;
	if (!self_is_its_file() ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	fds[0] = ends[1];
	if (setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout)) < 0 ||
	    self_spawn(&helper.pid, SELF_HELPER, fds) < 0) {
		fd_close(ends[0]);
		fd_close(ends[1]);
		return -1;
	}
	close(ends[1]);
	helper.sock = ends[0];
	/* The helper accepts this request only once. */
	helper.there =
		helper_ask_path(HELPER_REMOVABLE,
				removable != NULL ? removable : "", &fd) == 0;
	if (helper.there)
		return 0;
	/* A helper that gets no requests must not keep its rights. */
	error = errno;
	if (helper.sock >= 0)
		helper_end();
	errno = error;
	return -1;
}

int helper_spawn(pid_t *pid, enum self_role role, const int fds[3])
{
	const struct helper_request request = {.kind = HELPER_SPAWN,
					       .number = (int32_t)role};
	int all[3], fd;

	if (!helper.there)
		return self_spawn(pid, role, fds);
	for (fd = 0; fd < 3; fd++)
		all[fd] = fds[fd] >= 0 ? fds[fd] : fd;
	*pid = helper_ask(&request, all, 3, &fd);
	if (*pid > 0)
		return 0;
	fd = errno;
	if (*pid < -1)
		waitpid(-*pid, NULL, 0);
	errno = fd;
	return -1;
}

int helper_remove(const char *path)
{
	int fd;

	return helper.there ? helper_ask_path(HELPER_REMOVE, path, &fd)
			    : unlink(path);
}

int helper_device_open(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct stat file;

	if (fd < 0)
		return -1;
	if (fstat(fd, &file) == 0 &&
	    (S_ISCHR(file.st_mode) || S_ISFIFO(file.st_mode)))
		return fd;
	close(fd);
	return fail_with(ENODEV);
}

int helper_open_device(const char *path)
{
	int fd;

	if (!helper.there)
		return helper_device_open(path);
	if (helper_ask_path(HELPER_DEVICE, path, &fd) < 0)
		return -1;
	/* The descriptor is lost if this process has no free descriptor. */
	if (fd < 0)
		errno = EMFILE;
	return fd;
}

/* Calls in which a process may wait for input as well as for other events. */
static const long waiting_calls[] = {
	SYS_futex,        SYS_ppoll, SYS_pselect6, SYS_epoll_pwait,
#ifdef SYS_epoll_wait
	SYS_epoll_wait,
#endif
#ifdef SYS_epoll_pwait2
	SYS_epoll_pwait2,
#endif
#ifdef SYS_poll
	SYS_poll,
#endif
#ifdef SYS_select
	SYS_select,
#endif
#ifdef SYS__newselect
	SYS__newselect,
#endif
};

/* Whether a process with this text in /proc/PID/syscall reads standard input:
 * 1, 0; -1: unknown. The text is "running", or the number of a call and its
 * arguments. */
static int helper_syscall_reads(const char *text)
{
	long number;
	unsigned long fd;
	size_t i;

	if (sscanf(text, "%ld %lx", &number, &fd) != 2)
		return 0;
	for (i = 0; i < sizeof(waiting_calls) / sizeof(waiting_calls[0]); i++)
		if (number == waiting_calls[i])
			return -1;
	return number == SYS_read && fd == STDIN_FILENO;
}

int helper_process_looks(enum helper_kind kind, pid_t pid)
{
	char path[64], text[256] = "";
	long pages, page_kib = sysconf(_SC_PAGESIZE) / 1024;
	FILE *file;
	bool known;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid,
		 kind == HELPER_READS ? "syscall" : "statm");
	file = fopen(path, "re");
	known = file != NULL && fgets(text, sizeof(text), file) != NULL;
	if (file != NULL)
		fclose(file);
	if (!known)
		return -1;
	if (kind == HELPER_READS)
		return helper_syscall_reads(text);
	if (sscanf(text, "%*d %ld", &pages) != 1)
		return -1;
	return pages > INT_MAX / page_kib ? INT_MAX : (int)(pages * page_kib);
}

static int helper_look(enum helper_kind kind, pid_t pid)
{
	const struct helper_request request = {.kind = (int32_t)kind,
					       .number = (int32_t)pid};
	int fd;

	return helper.there ? helper_ask(&request, NULL, 0, &fd)
			    : helper_process_looks(kind, pid);
}

int helper_process_reads(pid_t pid)
{
	return helper_look(HELPER_READS, pid);
}

int helper_process_memory(pid_t pid)
{
	return helper_look(HELPER_MEMORY, pid);
}
