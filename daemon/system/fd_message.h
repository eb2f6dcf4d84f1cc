/* SPDX-License-Identifier: MIT */
/*
 * Sends and receives messages with descriptors over UNIX sockets (SCM_RIGHTS of
 * unix(7)). Thread: any.
 */
#pragma once

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

/* The most descriptors of a message. */
#define FD_MESSAGE_MAX 3

/* sendmsg(2) with `count` descriptors, which stay the caller's. Raises no
 * SIGPIPE and repeats the call after EINTR. Sets the message's control data. */
ssize_t fd_message_send(int sock, struct msghdr *message, const int *fds,
			size_t count, int flags);

/* Receives a message; descriptors that are missing become -1. Returns the
 * length; 0 at the end; -1 and errno. */
ssize_t fd_message_receive(int sock, void *data, size_t len,
			   int fds[FD_MESSAGE_MAX]);

/* Closes the descriptors that are not -1. */
void fd_message_close(const int fds[FD_MESSAGE_MAX]);
