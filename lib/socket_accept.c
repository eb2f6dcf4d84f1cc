/* SPDX-License-Identifier: MIT */
/*
 * Listens and accepts. A listener that cannot accept (no descriptors, no
 * memory, no handler that accepts) is paused for 100 ms and then resumes by
 * itself: otherwise the poller would report it in every turn.
 */
#include "config.h"

#include <unistd.h>

#include "fail.h"
#include "socket_priv.h"

#define ACCEPT_PAUSE_MS 100

int lined_socket_listen(struct lined_socket *sock, int backlog)
{
	const struct transport *before = socket_transport(sock);

	if (sock->delegate.fd < 0 || sock->state != LINED_SOCKET_IDLE)
		return fail_with(EINVAL);
	if (listen(sock->delegate.fd, backlog) < 0)
		return -1;
	sock->state = LINED_SOCKET_LISTENING;
	socket_set_transport(sock, &transport_listener);
	if (sock->dispatcher != NULL &&
	    socket_attach(sock, sock->delegate.fd) < 0) {
		sock->state = LINED_SOCKET_IDLE;
		socket_set_transport(sock, before);
		return -1;
	}
	return 0;
}

static void listener_pause_accept(struct lined_socket *listener)
{
	if (listener->dispatcher == NULL)
		return;
	listener->accept_paused = true;
	listener->resume_at = socket_now(listener) + ACCEPT_PAUSE_MS;
	socket_update_mode(listener);
	socket_arm(listener);
}

/* Whether to accept again: a connection has ended before it was accepted, or a
 * signal came. The listener is not at fault. */
static bool listener_lost_client(int error)
{
	switch (error) {
	case ECONNABORTED:
	case EINTR:
	case EPROTO:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENETDOWN:
	case ENETUNREACH:
		return true;
	default:
		return false;
	}
}

int lined_socket_accept_fd(struct lined_socket *listener,
			   struct sockaddr_storage *address, socklen_t *len)
{
	int fd;

	listener->accepted = true;
	if (listener->state != LINED_SOCKET_LISTENING)
		return fail_with(EINVAL);
	do {
		if (len != NULL)
			*len = sizeof(*address);
		fd = accept4(listener->delegate.fd, (struct sockaddr *)address,
			     len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	} while (fd < 0 && listener_lost_client(errno));
	if (fd < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
		int error = errno;

		listener_pause_accept(listener);
		errno = error;
	}
	return fd;
}

int lined_socket_accept(struct lined_socket *listener,
			struct lined_socket *client)
{
	int fd, error;

	if (listener->dispatcher == NULL || client->delegate.fd >= 0 ||
	    client->state != LINED_SOCKET_IDLE)
		return fail_with(EINVAL);
	fd = lined_socket_accept_fd(listener, NULL, NULL);
	if (fd < 0)
		return -1;
	client->state = LINED_SOCKET_CONNECTED;
	client->delegate.fd = fd;
	if (client->dispatcher != NULL) {
		client->delegate.fd = -1;
		if (socket_attach(client, fd) == 0) {
			socket_connected(client);
			return 0;
		}
	} else if (lined_dispatcher_register_socket(listener->dispatcher,
						    client) != NULL) {
		return 0;
	}
	error = errno;
	close(fd);
	client->delegate.fd = -1;
	client->state = LINED_SOCKET_IDLE;
	return fail_with(error);
}

static void listener_readable(struct lined_socket *sock)
{
	sock->accepted = false;
	if (sock->handlers->handle_accept != NULL)
		sock->handlers->handle_accept(sock, sock->arg);
	if (sock->state == LINED_SOCKET_LISTENING && !sock->accepted &&
	    !socket_is_paused(sock))
		listener_pause_accept(sock);
}

const struct transport transport_listener = {
	.delegate = TRANSPORT_DELEGATE,
	TRANSPORT_STREAM_IO,
	.readable = listener_readable,
	.writable = socket_writable, /* not watched */
	.failed = stream_failed,
};
