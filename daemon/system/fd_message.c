/* SPDX-License-Identifier: MIT */
/* Writes and reads the control data of sendmsg(2) and recvmsg(2). */
#include "config.h"

#include "system/fd_message.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

union fd_message_control {
	struct cmsghdr header;
	char room[CMSG_SPACE(FD_MESSAGE_MAX * sizeof(int))];
};

ssize_t fd_message_send(int sock, struct msghdr *message, const int *fds,
			size_t count, int flags)
{
	union fd_message_control control;
	ssize_t n;

	if (count > 0) {
		memset(&control, 0, sizeof(control));
		message->msg_control = &control;
		message->msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	}
	do
		n = sendmsg(sock, message, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n;
}

ssize_t fd_message_receive(int sock, void *data, size_t len,
			   int fds[FD_MESSAGE_MAX])
{
	union fd_message_control control;
	struct iovec part = {data, len};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		/* The padding in CMSG_SPACE() would have room for a fourth
		 * descriptor. */
		.msg_controllen = CMSG_LEN(FD_MESSAGE_MAX * sizeof(int)),
	};
	ssize_t n;

	fds[0] = fds[1] = fds[2] = -1;
	do
		n = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n > 0 && CMSG_FIRSTHDR(&message) != NULL &&
	    control.header.cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(&control.header),
		       control.header.cmsg_len - CMSG_LEN(0));
	return n;
}

void fd_message_close(const int fds[FD_MESSAGE_MAX])
{
	size_t i;

	for (i = 0; i < FD_MESSAGE_MAX; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}
