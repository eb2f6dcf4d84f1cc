/* SPDX-License-Identifier: MIT */
/*
 * The deadlines of a socket. One slot in the dispatcher's heap is set to the
 * nearest of those that run.
 */
#include "config.h"

#include <lined/socket.h>

#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "socket_priv.h"

/* How often the kernel's queue is checked before a peer that takes nothing is
 * closed. */
#define LOOKS 4

/* They run to sock->end_at, and no other runs beside them. */
#define ENDINGS (DEADLINE_BIT(DEADLINE_FLUSH) | DEADLINE_BIT(DEADLINE_LINGER))

void socket_connected(struct lined_socket *sock)
{
	if (sock->dispatcher == NULL)
		return;
	sock->active_at = sock->started_at = socket_now(sock);
	sock->started_high = (sock->dispatcher->now_ms >> 32) & UINT16_MAX;
	sock->rate = (struct lined_rate){0};
	socket_arm(sock);
}

/* The smaller of `left` and the rest of after_ms since `since`; at most
 * INT32_MAX - 1, a part of a longer time. */
static int32_t deadline_sooner(int32_t left, uint32_t now, uint32_t since,
			       uint32_t after_ms)
{
	uint32_t gone_ms = now - since;
	uint32_t mine = gone_ms < after_ms ? after_ms - gone_ms : 0;

	if (mine >= INT32_MAX)
		mine = INT32_MAX - 1;
	return (int32_t)mine < left ? (int32_t)mine : left;
}

/* How long after `since` the kernel's queue is checked next: LOOKS times in
 * after_ms, so that the time when the peer last took something is known to that
 * part. */
static uint32_t deadline_look_after(uint32_t now, uint32_t since,
				    uint32_t after_ms)
{
	uint32_t step = after_ms / LOOKS + 1;
	uint64_t next = ((uint64_t)(now - since) / step + 1) * step;

	return next < after_ms ? (uint32_t)next : after_ms;
}

/* The bytes in the kernel that the peer has not taken. */
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

/*
 * The poller reports room only when a good part of the kernel's buffer is
 * empty, which may be megabytes: with a slow peer that takes longer than any
 * deadline, though the peer is reading.
 */
static void socket_look_for_progress(struct lined_socket *sock, uint32_t now)
{
	uint32_t left = socket_kernel_unsent(sock);

	if (left < sock->kernel_unsent)
		sock->active_at = sock->stalled_at = now;
	sock->kernel_unsent = left;
}

static bool socket_is_resuming(const struct lined_socket *sock)
{
	return sock->accept_paused || sock->slowed;
}

static int32_t deadline_earlier(int32_t left, uint32_t now, uint32_t at)
{
	int32_t mine = (int32_t)(at - now);

	return mine < left ? mine : left;
}

/* The time to the nearest deadline that runs; INT32_MAX: none. */
static int32_t socket_time_left(const struct lined_socket *sock, uint32_t now)
{
	const struct lined_limits *limits = socket_limits(sock);
	unsigned deadlines = socket_deadlines(sock);
	int32_t left = INT32_MAX;

	if (deadlines & DEADLINE_BIT(DEADLINE_RESUME) &&
	    socket_is_resuming(sock))
		left = deadline_earlier(left, now, sock->resume_at);
	if (deadlines & ENDINGS)
		left = deadline_earlier(left, now, sock->end_at);
	if (deadlines & DEADLINE_BIT(DEADLINE_IDLE) && limits->idle_ms > 0)
		left = deadline_sooner(
			left, now, sock->active_at,
			sock->blocked
				? deadline_look_after(now, sock->active_at,
						      limits->idle_ms)
				: limits->idle_ms);
	if (deadlines & DEADLINE_BIT(DEADLINE_FIRST_LINE) &&
	    limits->first_line_ms > 0 && !sock->got_line)
		left = deadline_sooner(left, now, sock->started_at,
				       limits->first_line_ms);
	if (deadlines & DEADLINE_BIT(DEADLINE_LINE) && limits->line_ms > 0 &&
	    sock->in_line)
		left = deadline_sooner(left, now, sock->line_at,
				       limits->line_ms);
	if (deadlines & DEADLINE_BIT(DEADLINE_STALL) &&
	    limits->send_stall_ms > 0 && sock->blocked)
		left = deadline_sooner(
			left, now, sock->stalled_at,
			deadline_look_after(now, sock->stalled_at,
					    limits->send_stall_ms));
	return left;
}

static bool deadline_is_over(uint32_t now, uint32_t since, uint32_t after_ms)
{
	return after_ms > 0 && now - since >= after_ms;
}

/* The deadline of a connected socket that has passed. */
static enum deadline socket_expired_deadline(const struct lined_socket *sock,
					     uint32_t now)
{
	const struct lined_limits *limits = socket_limits(sock);

	if (sock->blocked &&
	    deadline_is_over(now, sock->stalled_at, limits->send_stall_ms))
		return DEADLINE_STALL;
	if (!sock->got_line &&
	    deadline_is_over(now, sock->started_at, limits->first_line_ms))
		return DEADLINE_FIRST_LINE;
	if (sock->in_line &&
	    deadline_is_over(now, sock->line_at, limits->line_ms))
		return DEADLINE_LINE;
	if (deadline_is_over(now, sock->active_at, limits->idle_ms))
		return DEADLINE_IDLE;
	return DEADLINE_NONE;
}

static void socket_resume_in_time(struct lined_socket *sock, uint32_t now)
{
	if (!socket_is_resuming(sock) || (int32_t)(now - sock->resume_at) < 0)
		return;
	sock->accept_paused = sock->slowed = false;
	if (sock->state == LINED_SOCKET_CONNECTED)
		socket_read_on(sock);
	else
		socket_update_mode(sock);
}

void socket_deadline(struct lined_socket *sock)
{
	uint32_t now = socket_now(sock);
	unsigned deadlines;

	if (socket_deadlines(sock) & DEADLINE_BIT(DEADLINE_RESUME))
		socket_resume_in_time(sock, now);
	deadlines = socket_deadlines(sock);
	if (deadlines & ENDINGS) {
		if ((int32_t)(now - sock->end_at) >= 0) {
			if (deadlines & DEADLINE_BIT(DEADLINE_FLUSH))
				sock->expired = DEADLINE_FLUSH;
			socket_end(sock, sock->reason, sock->error);
			return;
		}
	} else if (deadlines & DEADLINE_BIT(DEADLINE_IDLE)) {
		if (sock->blocked)
			socket_look_for_progress(sock, now);
		sock->expired = (uint8_t)socket_expired_deadline(sock, now);
		if (sock->expired == DEADLINE_STALL) {
			socket_end(sock, LINED_CLOSE_SLOW, ETIMEDOUT);
			return;
		}
		if (sock->expired != DEADLINE_NONE) {
			socket_end(sock, LINED_CLOSE_TIMEOUT, ETIMEDOUT);
			return;
		}
	}
	socket_arm(sock);
}

/*
 * The slot is only moved to an earlier time. Each line of a busy client moves
 * its idle deadline back, which is found out when the slot is due: setting the
 * slot for each line would cost more.
 */
void socket_arm(struct lined_socket *sock)
{
	struct lined_dispatcher *d = sock->dispatcher;
	int32_t left;

	if (d == NULL || sock->state == LINED_SOCKET_CLOSED)
		return;
	left = socket_time_left(sock, socket_now(sock));
	if (left == INT32_MAX)
		return;
	if (left < 0)
		left = 0;
	if (sock->deadline != TIMER_UNARMED &&
	    timer_heap_due_of(&d->deadlines, sock->deadline) <=
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
		[DEADLINE_RESUME] = "",
		[DEADLINE_LINGER] = "",
	};

	return names[sock->expired];
}
