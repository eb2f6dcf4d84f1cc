/* SPDX-License-Identifier: MIT */
/*
 * Sets the deadlines of a socket, and acts on those that have passed. A socket
 * has one slot in the dispatcher's heap, set to the nearest deadline that runs.
 */
#include "config.h"

#include <lined/socket.h>

#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "socket_daemon.h"
#include "socket_priv.h"

/* The number of checks of the kernel's queue before a peer that takes nothing
 * is closed. */
#define STALL_CHECKS 4

#define NEVER INT32_MAX

void socket_note_start(struct lined_socket *sock)
{
	sock->active_at = sock->started_at = socket_now(sock);
	sock->started_high = (sock->dispatcher->now_ms >> 32) & UINT16_MAX;
}

void socket_connected(struct lined_socket *sock)
{
	if (sock->dispatcher == NULL)
		return;
	socket_note_start(sock);
	*socket_rate(sock) = (struct lined_rate){0};
	socket_arm(sock);
}

/*
 * Returns how much of after_ms is left, counted from `since`, or NEVER if
 * after_ms is 0. Returns less while the socket is blocked: the kernel's queue
 * is then checked STALL_CHECKS times within after_ms, because only these checks
 * find out when the peer last took something.
 */
static int32_t limit_left(const struct lined_socket *sock, uint32_t now,
			  uint32_t since, uint32_t after_ms)
{
	uint32_t gone_ms = now - since, step_ms = after_ms / STALL_CHECKS + 1;
	uint32_t left_ms = gone_ms < after_ms ? after_ms - gone_ms : 0;

	if (after_ms == 0)
		return NEVER;
	if (sock->blocked && left_ms > step_ms - gone_ms % step_ms)
		left_ms = step_ms - gone_ms % step_ms;
	return left_ms < NEVER ? (int32_t)left_ms : NEVER - 1;
}

/* Returns the time to a deadline: 0 or less if it has passed, NEVER if it does
 * not run. */
static int32_t deadline_left(const struct lined_socket *sock,
			     enum deadline deadline, uint32_t now)
{
	const struct lined_limits *limits = socket_limits(sock);
	uint32_t at;

	if (!(socket_deadlines(sock) & DEADLINE_BIT(deadline)))
		return NEVER;
	switch (deadline) {
	case DEADLINE_HANDSHAKE:
		return sock->handshaking ? (int32_t)(sock->end_at - now)
					 : NEVER;
	case DEADLINE_STALL:
		return !sock->blocked ? NEVER
				      : limit_left(sock, now, sock->stalled_at,
						   limits->send_stall_ms);
	case DEADLINE_FIRST_LINE:
		return sock->got_line ? NEVER
				      : limit_left(sock, now, sock->started_at,
						   limits->first_line_ms);
	case DEADLINE_LINE:
		return !sock->in_line ? NEVER
				      : limit_left(sock, now, sock->line_at,
						   limits->line_ms);
	case DEADLINE_IDLE:
		/* A slowed peer may have sent lines that are not read yet. */
		return sock->busy || sock->slowed
			       ? NEVER
			       : limit_left(sock, now, sock->active_at,
					    limits->idle_ms);
	case DEADLINE_WAKE:
		return socket_transport(sock)->wakes != NULL &&
				       socket_transport(sock)->wakes(sock, &at)
			       ? (int32_t)(at - now)
			       : NEVER;
	case DEADLINE_RESUME:
		return sock->accept_paused || sock->slowed
			       ? (int32_t)(sock->resume_at - now)
			       : NEVER;
	default: /* FLUSH, LINGER */
		return (int32_t)(sock->end_at - now);
	}
}

/* Returns the bytes that the kernel holds and the peer has not taken. */
static uint32_t socket_kernel_unsent(const struct lined_socket *sock)
{
	int bytes = 0;

	return ioctl(sock->delegate.fd, TIOCOUTQ, &bytes) == 0 && bytes > 0
		       ? (uint32_t)bytes
		       : 0;
}

void socket_stalls(struct lined_socket *sock)
{
	sock->stalled_at = socket_now(sock);
	if (!sock->closing && !sock->lingering)
		sock->kernel_unsent = socket_kernel_unsent(sock);
	socket_arm(sock);
}

static void socket_resume(struct lined_socket *sock)
{
	if (sock->slowed)
		sock->active_at = socket_now(sock);
	sock->accept_paused = sock->slowed = false;
	if (sock->state == LINED_SOCKET_CONNECTED)
		socket_read_on(sock);
	else
		socket_update_mode(sock);
}

/* The peer has missed the idle, first-line or line deadline: closes the socket,
 * after a last reply of the protocol. */
static void socket_time_out(struct lined_socket *sock)
{
	if (sock->handlers->handle_timeout == NULL || sock->closing ||
	    sock->end_reported) {
		socket_end(sock, LINED_CLOSE_TIMEOUT, ETIMEDOUT);
		return;
	}
	sock->handlers->handle_timeout(sock, sock->arg);
	lined_socket_close_after_flush(sock, LINED_CLOSE_TIMEOUT, 0);
}

void socket_expire(struct lined_socket *sock)
{
	uint32_t now = socket_now(sock);
	enum deadline deadline = DEADLINE_HANDSHAKE;

	if (deadline_left(sock, DEADLINE_RESUME, now) <= 0)
		socket_resume(sock);
	if (deadline_left(sock, DEADLINE_WAKE, now) <= 0)
		socket_transport(sock)->wake(sock);
	if (sock->state == LINED_SOCKET_CLOSED)
		return;
	if (sock->blocked &&
	    socket_deadlines(sock) & DEADLINE_BIT(DEADLINE_STALL)) {
		uint32_t left = socket_kernel_unsent(sock);

		/* The poller reports room only when a good part of the kernel's
		 * buffer is empty. This part may be megabytes, and a slow peer
		 * may need longer than the deadline to read it. */
		if (left < sock->kernel_unsent)
			sock->active_at = sock->stalled_at = now;
		sock->kernel_unsent = left;
	}
	while (deadline < DEADLINE_RESUME &&
	       deadline_left(sock, deadline, now) > 0)
		deadline++;
	if (deadline == DEADLINE_RESUME) {
		socket_arm(sock);
		return;
	}
	if (deadline != DEADLINE_LINGER)
		sock->expired = (uint8_t)deadline;
	if (deadline == DEADLINE_LINGER || deadline == DEADLINE_FLUSH)
		socket_end(sock, sock->reason, sock->error);
	else if (deadline == DEADLINE_STALL)
		socket_end(sock, LINED_CLOSE_SLOW, ETIMEDOUT);
	else if (deadline == DEADLINE_IDLE || deadline == DEADLINE_LINE ||
		 deadline == DEADLINE_FIRST_LINE)
		socket_time_out(sock);
	else
		socket_end(sock, LINED_CLOSE_TIMEOUT, ETIMEDOUT);
}

/* Moves the slot only to an earlier time. Each line that comes makes the idle
 * deadline later, but moving the slot for each line would cost too much. When
 * the slot is due, socket_expire() sets it again. */
void socket_arm(struct lined_socket *sock)
{
	struct lined_dispatcher *d = sock->dispatcher;
	int32_t left = NEVER, mine;
	enum deadline i;

	if (d == NULL || sock->state == LINED_SOCKET_CLOSED)
		return;
	for (i = DEADLINE_HANDSHAKE; i <= DEADLINE_WAKE; i++) {
		mine = deadline_left(sock, i, socket_now(sock));
		if (mine < left)
			left = mine;
	}
	if (left == NEVER)
		return;
	if (left < 0)
		left = 0;
	if (sock->deadline != TIMER_UNARMED &&
	    d->deadlines.entries[sock->deadline].due_ms <=
		    d->now_ms + (uint64_t)left)
		return;
	if (dispatcher_set_deadline(d, &sock->deadline, (uint64_t)left) == 0)
		return;
	if (sock->state != LINED_SOCKET_LISTENING) {
		socket_end(sock, LINED_CLOSE_ERROR, ENOMEM);
		return;
	}
	/* Without a timer, keep accepting rather than never resume. */
	sock->accept_paused = false;
	socket_update_mode(sock);
}

uint32_t socket_handshake_ms(const struct lined_socket *sock)
{
	return sock->end_at - sock->started_at;
}

const char *lined_socket_missed_deadline(const struct lined_socket *sock)
{
	static const char *const names[] = {
		[DEADLINE_NONE] = "",
		[DEADLINE_IDLE] = "idle",
		[DEADLINE_FIRST_LINE] = "first line",
		[DEADLINE_LINE] = "line",
		[DEADLINE_STALL] = "send stall",
		[DEADLINE_FLUSH] = "flush",
		[DEADLINE_CONNECT] = "connect",
		[DEADLINE_LOOKUP] = "name lookup",
		[DEADLINE_HANDSHAKE] = "handshake",
		[DEADLINE_WAKE] = "ping",
	};

	return names[sock->expired];
}
