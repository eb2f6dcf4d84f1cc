/* SPDX-License-Identifier: MIT */
/*
 * Closes a socket, at once or when everything queued is sent; and half-close.
 */
#include "config.h"

#include <lined/socket.h>

#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socket_daemon.h"
#include "socket_priv.h"

/* The longest time for which a lingering close reads and discards. */
#define LINGER_MS        2000
#define CLOSE_MS_DEFAULT 30000

void socket_end(struct lined_socket *sock, enum lined_close_reason reason,
		int error)
{
	struct lined_dispatcher *d = sock->dispatcher;

	if (sock->state == LINED_SOCKET_CLOSED)
		return;
	sock->reason = (uint8_t)reason;
	sock->error = (int16_t)error;
	if (socket_transport(sock)->stop != NULL)
		socket_transport(sock)->stop(sock);
	sock->state = LINED_SOCKET_CLOSED;
	if (d == NULL) {
		socket_deliver_close(sock);
		socket_free(sock);
		return;
	}
	if (sock->delegate.dispatcher != NULL)
		delegate_detach(d, &sock->delegate);
	timer_heap_remove(&d->deadlines, &sock->deadline);
	d->len--;
	list_remove(&sock->ready_link);
	list_append(&d->closed, &sock->ready_link);
}

void socket_deliver_close(struct lined_socket *sock)
{
	enum lined_close_reason reason = sock->reason;

	if (sock->group != NULL && !socket_transport(sock)->is_datagram)
		counter_add(&sock->group->counters.closed[reason], 1);
	if (sock->handlers->handle_close != NULL)
		sock->handlers->handle_close(sock, sock->arg, reason,
					     sock->error);
	if (sock->group == NULL)
		return;
	/* Here, not in socket_free(), because `closed` may free the group. */
	counter_add(&sock->group->counters.queued, -lined_socket_queued(sock));
	if (sock->group->closed != NULL)
		sock->group->closed(sock, reason, sock->error);
}

void socket_free(struct lined_socket *sock)
{
	struct send_pool none = {0};

	if (socket_transport(sock)->free != NULL)
		socket_transport(sock)->free(sock);
	if (sock->layered)
		free(sock->layers);
	list_remove(&sock->dirty_link);
	if (sock->dispatcher == NULL)
		send_queue_charge(&sock->out, &none, true);
	else
		memory_charge(&sock->dispatcher->pool.memory, -MEMORY_SOCKET);
	send_queue_clear(&sock->out, sock->dispatcher != NULL
					     ? &sock->dispatcher->pool
					     : &none);
	send_pool_fini(&none);
	socket_clear_input(sock);
	if (sock->delegate.fd >= 0)
		close(sock->delegate.fd);
	free(sock);
}

void lined_socket_close_for(struct lined_socket *sock,
			    enum lined_close_reason reason, int error)
{
	socket_end(sock, reason, error);
}

void lined_socket_close(struct lined_socket *sock)
{
	socket_end(sock, LINED_CLOSE_LOCAL, 0);
}

void lined_socket_close_after_flush(struct lined_socket *sock,
				    enum lined_close_reason reason,
				    uint32_t timeout_ms)
{
	if (sock->state == LINED_SOCKET_CLOSED || sock->closing)
		return;
	if (sock->dispatcher == NULL ||
	    (sock->state != LINED_SOCKET_CONNECTED &&
	     sock->state != LINED_SOCKET_CONNECTING &&
	     sock->state != LINED_SOCKET_UDP_BOUND)) {
		socket_end(sock, reason, 0);
		return;
	}
	sock->closing = true;
	sock->reason = (uint8_t)reason;
	sock->error = 0;
	if (timeout_ms == 0)
		timeout_ms = CLOSE_MS_DEFAULT;
	if (timeout_ms >= INT32_MAX)
		timeout_ms = INT32_MAX - 1;
	sock->end_at = socket_now(sock) + timeout_ms;
	socket_arm(sock);
	socket_update_mode(sock);
	socket_mark_dirty(sock);
}

void lined_socket_shutdown_write(struct lined_socket *sock)
{
	if (sock->state == LINED_SOCKET_CLOSED ||
	    socket_transport(sock)->is_datagram)
		return;
	sock->ending = true;
	socket_update_mode(sock);
	socket_mark_dirty(sock);
}

void lined_socket_allow_half_close(struct lined_socket *sock, bool allow)
{
	sock->half_close = allow;
}

bool fd_has_unread(int fd)
{
	int bytes = 0;

	return ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

/* Whether sent bytes are not acknowledged yet. UNIX sockets deliver at once. */
static bool fd_has_unacknowledged(int fd)
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);
	int bytes = 0;

	return ioctl(fd, TIOCOUTQ, &bytes) == 0 && bytes > 0 &&
	       getsockname(fd, (struct sockaddr *)&own, &len) == 0 &&
	       own.ss_family != AF_UNIX;
}

/* Whether the kernel could send a reset when the descriptor is closed. It could
 * if input is unread or may still come. */
static bool socket_may_be_reset(const struct lined_socket *sock)
{
	int fd = sock->delegate.fd;

	if (sock->eof)
		return false;
	if (socket_transport(sock)->is_answered != NULL &&
	    socket_transport(sock)->is_answered(sock))
		return true;
	return sock->reason == LINED_CLOSE_TOO_LONG || fd_has_unread(fd) ||
	       fd_has_unacknowledged(fd);
}

bool socket_has_unread(const struct lined_socket *sock)
{
	int fd = sock->delegate.fd;

	/* A throttled socket reads no input. If it is also blocked, the peer
	 * decides when reading resumes. Otherwise the next flush ends the
	 * throttling, or finds that the kernel takes no more. */
	if (sock->throttled && sock->blocked)
		return false;
	return (!sock->needs_more && input_len(&sock->in) > 0) ||
	       (!sock->eof &&
		(socket_is_catching_up(sock) ||
		 transport_holds_input(socket_transport(sock), sock))) ||
	       (fd >= 0 && fd_has_unread(fd));
}

bool lined_socket_is_quiet(const struct lined_socket *sock)
{
	int fd = sock->delegate.fd;

	return lined_socket_queued(sock) == 0 &&
	       socket_held_output(sock) == 0 && !socket_has_unread(sock) &&
	       (fd < 0 || sock->eof || !fd_has_unacknowledged(fd));
}

/* Everything is sent. If input is unread when the socket is closed, or comes
 * later, the kernel sends a reset, which destroys bytes that the peer has not
 * read yet. The lingering close avoids this. */
static void socket_finish_closing(struct lined_socket *sock)
{
	if (!socket_may_be_reset(sock) ||
	    (!sock->ended && shutdown(sock->delegate.fd, SHUT_WR) < 0)) {
		socket_end(sock, sock->reason, sock->error);
		return;
	}
	sock->ended = true;
	sock->lingering = true;
	sock->end_at = socket_now(sock) + LINGER_MS;
	socket_arm(sock);
	socket_update_mode(sock);
}

void socket_flushed(struct lined_socket *sock)
{
	if (sock->closing && !sock->ended && sock->group != NULL &&
	    sock->group->leaving != NULL)
		sock->group->leaving(sock);
	if ((sock->ending || sock->closing) && !sock->ended &&
	    socket_transport(sock)->end_output != NULL &&
	    socket_transport(sock)->end_output(sock)) {
		socket_mark_dirty(sock);
		return;
	}
	if (sock->ending && !sock->ended) {
		shutdown(sock->delegate.fd, SHUT_WR);
		sock->ended = true;
		sock->ending = false;
	}
	if (sock->closing && !sock->lingering)
		socket_finish_closing(sock);
	else if (sock->ended && sock->end_reported && !sock->lingering)
		socket_end(sock, LINED_CLOSE_PEER, 0);
}

enum lined_close_reason socket_close_reason(const struct lined_socket *sock)
{
	return sock->reason;
}

const char *lined_close_reason_text(enum lined_close_reason reason)
{
	static const char *const texts[LINED_CLOSE_REASONS] = {
		[LINED_CLOSE_LOCAL] = "closed",
		[LINED_CLOSE_PEER] = "peer",
		[LINED_CLOSE_ERROR] = "error",
		[LINED_CLOSE_TIMEOUT] = "timeout",
		[LINED_CLOSE_TOO_LONG] = "too-long",
		[LINED_CLOSE_SLOW] = "slow",
		[LINED_CLOSE_LIMIT] = "limit",
		[LINED_CLOSE_SHUTDOWN] = "shutdown",
		[LINED_CLOSE_KICKED] = "kicked",
	};

	return (unsigned)reason < LINED_CLOSE_REASONS ? texts[reason]
						      : "unknown";
}
