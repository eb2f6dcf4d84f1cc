/* SPDX-License-Identifier: MIT */
/*
 * Moves the bytes of a stream over a descriptor that is no socket: a pipe, a
 * FIFO, a terminal, a serial line. read(2) and writev(2) take the place of
 * recv(2) and sendmsg(2). No flag suppresses SIGPIPE here: the program must
 * ignore it.
 */
#include "config.h"

#include "transport.h"

#include <errno.h>
#include <unistd.h>

#include "socket_priv.h"

static ssize_t transport_file_recv(struct lined_socket *sock, char *to,
				   size_t size)
{
	ssize_t n = read(sock->delegate.fd, to, size);

	if (n >= 0)
		return n;
	/* EIO comes from the master of a pseudo-terminal when no process has
	 * the other side open any more. */
	if (errno == EIO)
		return 0;
	/* The write end of a pipe becomes readable when the read end closes,
	 * but cannot be read. */
	if (errno == EBADF)
		errno = EPIPE;
	return -1;
}

static ssize_t transport_file_send(struct lined_socket *sock,
				   const struct iovec *vector, int count)
{
	return writev(sock->delegate.fd, vector, count);
}

static void transport_file_failed(struct lined_socket *sock)
{
	if (!(sock->delegate.mode & LINED_MODE_READ))
		socket_end(sock, LINED_CLOSE_ERROR, EPIPE);
}

const struct transport transport_file = {
	.delegate = TRANSPORT_DELEGATE,
	TRANSPORT_STREAM_IO,
	.readable = stream_readable,
	.writable = socket_writable,
	.failed = transport_file_failed,
	.recv = transport_file_recv,
	.send = transport_file_send,
};
