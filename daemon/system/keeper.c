/* SPDX-License-Identifier: MIT */
/*
 * lined's end: starts the keeper, sends requests, receives reports. The process
 * is in keeper_main.c.
 */
#include "config.h"

#include "system/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "system/helper.h"

/* The longest chain of parents that is followed. */
#define DEPTH_MAX 1000

int keeper_open(pid_t *pid)
{
	int ends[2], fds[3] = {-1, -1, -1}, error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	fds[0] = ends[1];
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 &&
	    helper_spawn(pid, SELF_KEEPER, fds) == 0) {
		close(ends[1]);
		return ends[0];
	}
	error = errno;
	close(ends[0]);
	close(ends[1]);
	errno = error;
	return -1;
}

int keeper_send(int sock, const struct keeper_request *request,
		const char *texts, size_t texts_len, const int fds[3])
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(3 * sizeof(int))];
	} control;
	struct iovec parts[] = {
		{(void *)(uintptr_t)request, sizeof(*request)},
		{(void *)(uintptr_t)texts, texts_len},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	if (sizeof(*request) + texts_len > KEEPER_REQUEST_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	if (fds != NULL) {
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(3 * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, 3 * sizeof(int));
	}
	return sendmsg(sock, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
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

/* ---- the programs ---------------------------------------------------------
 */

/* 0: it is not known. */
static pid_t process_parent(pid_t pid)
{
	char path[64], text[256] = "";
	const char *after;
	FILE *file;
	int parent = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fgets(text, sizeof(text), file) == NULL)
		text[0] = '\0';
	fclose(file);
	/* Its name, in parentheses, may contain anything. */
	after = strrchr(text, ')');
	return after != NULL && sscanf(after, ") %*c %d", &parent) == 1 ? parent
									: 0;
}

static bool process_is_keeper(pid_t pid)
{
	char path[64], name[sizeof(KEEPER_NAME)] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	if (fread(name, 1, sizeof(name), file) < sizeof(name))
		name[0] = '\0';
	fclose(file);
	return memcmp(name, KEEPER_NAME, sizeof(name)) == 0;
}

bool keeper_has(pid_t pid)
{
	pid_t parent, self = getpid();
	int depth;

	for (depth = 0; depth < DEPTH_MAX && pid > 1; depth++) {
		parent = process_parent(pid);
		if (parent == self)
			return process_is_keeper(pid);
		pid = parent;
	}
	return false;
}

void keeper_close(int sock, pid_t pid)
{
	close(sock);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
