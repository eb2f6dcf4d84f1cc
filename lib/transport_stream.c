/* SPDX-License-Identifier: MIT */
/*
 * Moves the bytes of a stream over TCP and UNIX sockets, as they are.
 * socket_read.c and socket_send.c decide which bytes, and when.
 */
#include "config.h"

#include "transport.h"

#include <string.h>
#include <sys/socket.h>

#include "socket_priv.h"

static ssize_t transport_stream_recv(struct lined_socket *sock, char *to,
				     size_t size)
{
	return recv(sock->delegate.fd, to, size, 0);
}

static ssize_t transport_stream_send(struct lined_socket *sock,
				     const struct iovec *vector, int count)
{
	struct msghdr message;

	if (count == 1)
		return send(sock->delegate.fd, vector[0].iov_base,
			    vector[0].iov_len, MSG_NOSIGNAL);
	memset(&message, 0, sizeof(message));
	message.msg_iov = (struct iovec *)(uintptr_t)vector;
	message.msg_iovlen = (size_t)count;
	return sendmsg(sock->delegate.fd, &message, MSG_NOSIGNAL);
}

const struct transport transport_stream = {
	.delegate = TRANSPORT_DELEGATE,
	TRANSPORT_STREAM_IO,
	TRANSPORT_STREAM_EVENTS,
	.recv = transport_stream_recv,
	.send = transport_stream_send,
};
