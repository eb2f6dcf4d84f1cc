/* SPDX-License-Identifier: MIT */
/* Starts the keeper, sends requests to it and receives its reports. The keeper
 * itself is in program_keeper_main.c. */
#include "config.h"

#include "system/program_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fail.h"
#include "system/fd_close.h"
#include "system/fd_message.h"
#include "system/hardening_helper.h"

int keeper_open(pid_t *pid)
{
	int ends[2], fds[3] = {-1, -1, -1};

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	fds[0] = ends[1];
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ||
	    helper_spawn(pid, SELF_KEEPER, fds) < 0) {
		fd_close(ends[0]);
		ends[0] = -1;
	}
	fd_close(ends[1]);
	return ends[0];
}

int keeper_send(int sock, const struct keeper_request *request,
		const char *texts, size_t texts_len, const int fds[3])
{
	struct iovec parts[] = {
		{(void *)(uintptr_t)request, sizeof(*request)},
		{(void *)(uintptr_t)texts, texts_len},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	if (sizeof(*request) + texts_len > KEEPER_REQUEST_MAX)
		return fail_with(EMSGSIZE);
	return fd_message_send(sock, &message, fds, fds != NULL ? 3 : 0, 0) < 0
		       ? -1
		       : 0;
}

int keeper_receive(int sock, struct keeper_report *report)
{
	ssize_t n = recv(sock, report, sizeof(*report), 0);

	if (n == (ssize_t)sizeof(*report))
		return 0;
	if (n >= 0 || errno == ECONNRESET)
		errno = EPIPE;
	return -1;
}

void keeper_close(int sock, pid_t pid)
{
	close(sock);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
