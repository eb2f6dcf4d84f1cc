/* SPDX-License-Identifier: MIT */
/*
 * Makes a socket: its memory, its descriptor, its transport. socket_register.c
 * registers it, socket_accept.c listens, socket_connect.c connects.
 */
#include "config.h"

#include <lined/socket.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "fail.h"
#include "socket_daemon.h"
#include "socket_priv.h"

/* The offset of the owner's bytes, aligned for any type. */
#define OWNER_OFFSET                                                           \
	((sizeof(struct lined_socket) + _Alignof(max_align_t) - 1) /           \
	 _Alignof(max_align_t) * _Alignof(max_align_t))

struct lined_socket *
lined_socket_new_owned(const struct lined_socket_handlers *handlers, void *arg,
		       size_t owner_size)
{
	const struct lined_framing framing = LINED_FRAMING_DEFAULT;
	struct lined_socket *sock;

	sock = calloc(1, owner_size > 0 ? OWNER_OFFSET + owner_size
					: sizeof(*sock));
	if (sock == NULL)
		return NULL;
	sock->delegate.fd = -1;
	socket_set_transport(sock, &transport_stream);
	lined_socket_set_handlers(sock, handlers, arg);
	sock->deadline = TIMER_UNARMED;
	sock->framer.framing = framing;
	list_init(&sock->ready_link);
	list_init(&sock->dirty_link);
	return sock;
}

struct lined_socket *
lined_socket_new(const struct lined_socket_handlers *handlers, void *arg)
{
	return lined_socket_new_owned(handlers, arg, 0);
}

void *lined_socket_owner(struct lined_socket *sock)
{
	return (char *)sock + OWNER_OFFSET;
}

struct lined_socket *lined_socket_of_owner(void *owner)
{
	return (struct lined_socket *)(void *)((char *)owner - OWNER_OFFSET);
}

/* ---- a descriptor ----------------------------------------------------- */

int lined_socket_open(struct lined_socket *sock, int family, int type)
{
	int fd, error;

	if (sock->delegate.fd >= 0 || sock->state != LINED_SOCKET_IDLE)
		return fail_with(EISCONN);
	fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	/* The poller does not watch the descriptor while the socket is IDLE: it
	 * would report a stream socket as hung up. */
	if (type != SOCK_DGRAM || transport_datagram_init(sock) == 0) {
		sock->delegate.fd = fd;
		return 0;
	}
	error = errno;
	close(fd);
	return fail_with(error);
}

static int fd_make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -1;
	if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -1;
	return 0;
}

/* The socket's type, such as SOCK_STREAM; -1: the descriptor is no socket. */
static int fd_socket_type(int fd)
{
	int type;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 ? type
								     : -1;
}

static int socket_wrap_in_state(struct lined_socket *sock, int fd,
				enum lined_socket_state state)
{
	switch (state) {
	case LINED_SOCKET_IDLE: /* not watched, see lined_socket_open() */
		sock->delegate.fd = fd;
		return 0;
	case LINED_SOCKET_CONNECTING:
		return socket_connect_adopt(sock, fd);
	case LINED_SOCKET_LISTENING:
		socket_set_transport(sock, &transport_listener);
		break;
	case LINED_SOCKET_UDP_BOUND:
		transport_datagram_bound(sock, fd);
		break;
	case LINED_SOCKET_CONNECTED:
		if (fd_socket_type(fd) < 0)
			socket_set_transport(sock, &transport_file);
		break;
	default:
		break;
	}
	return socket_adopt(sock, fd, state);
}

static int socket_check_wrap(const struct lined_socket *sock,
			     enum lined_socket_state state)
{
	if (sock->delegate.fd >= 0 || sock->state != LINED_SOCKET_IDLE)
		return fail_with(EISCONN);
	if (state == LINED_SOCKET_CLOSED)
		return fail_with(EINVAL);
	return 0;
}

int socket_wrap_accepted(struct lined_socket *sock, int fd,
			 enum lined_socket_state state)
{
	if (socket_check_wrap(sock, state) < 0)
		return -1;
	if (state != LINED_SOCKET_IDLE)
		return socket_adopt(sock, fd, state);
	sock->delegate.fd = fd;
	return 0;
}

int lined_socket_wrap(struct lined_socket *sock, int fd,
		      enum lined_socket_state state)
{
	const struct transport *before = socket_transport(sock);
	int error;

	if (socket_check_wrap(sock, state) < 0)
		return -1;
	if (fd_make_nonblocking(fd) < 0)
		return -1;
	if ((state == LINED_SOCKET_UDP_BOUND ||
	     (state == LINED_SOCKET_IDLE &&
	      fd_socket_type(fd) == SOCK_DGRAM)) &&
	    transport_datagram_init(sock) < 0)
		return -1;
	if (socket_wrap_in_state(sock, fd, state) == 0)
		return 0;
	error = errno;
	if (socket_transport(sock)->free != NULL)
		socket_transport(sock)->free(sock);
	socket_set_transport(sock, before);
	return fail_with(error);
}

int lined_socket_bind(struct lined_socket *sock, int type,
		      const struct sockaddr *address, socklen_t len)
{
	int on = 1, fd;

	if (sock->state != LINED_SOCKET_IDLE)
		return fail_with(EINVAL);
	if (sock->delegate.fd < 0 &&
	    lined_socket_open(sock, address->sa_family, type) < 0)
		return -1;
	fd = sock->delegate.fd;
	if (address->sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return -1;
	if (type == SOCK_STREAM && address->sa_family != AF_UNIX &&
	    (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	     setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0))
		return -1;
	if (bind(fd, address, len) < 0)
		return -1;
	if (!socket_transport(sock)->is_datagram)
		return 0;
	transport_datagram_bound(sock, fd);
	return socket_adopt(sock, fd, LINED_SOCKET_UDP_BOUND);
}
