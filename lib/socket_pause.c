/* SPDX-License-Identifier: MIT */
/*
 * Stops and resumes the input of a socket: the protocol pauses it
 * (lined/socket.h), the daemon holds it (socket_daemon.h). Back-pressure is in
 * socket_send.c, the line rate in socket_read.c.
 */
#include "config.h"

#include <lined/socket.h>

#include "socket_daemon.h"
#include "socket_priv.h"

void lined_socket_pause(struct lined_socket *sock)
{
	sock->paused = true;
	if (sock->state == LINED_SOCKET_LISTENING)
		socket_update_mode(sock);
}

static void socket_go_on(struct lined_socket *sock)
{
	if (sock->dispatcher == NULL)
		return;
	if (sock->state == LINED_SOCKET_LISTENING)
		socket_update_mode(sock);
	else
		socket_read_on(sock);
}

void lined_socket_resume(struct lined_socket *sock)
{
	if (!sock->paused)
		return;
	sock->paused = false;
	socket_go_on(sock);
}

bool lined_socket_is_paused(const struct lined_socket *sock)
{
	return sock->paused;
}

void socket_hold(struct lined_socket *sock, unsigned reason)
{
	sock->hold_reasons |= (uint8_t)reason;
	if (sock->state == LINED_SOCKET_LISTENING)
		socket_update_mode(sock);
}

void socket_unhold(struct lined_socket *sock, unsigned reason)
{
	if (!(sock->hold_reasons & reason))
		return;
	sock->hold_reasons &= (uint8_t)~reason;
	if (sock->hold_reasons == 0)
		socket_go_on(sock);
}

void socket_set_busy(struct lined_socket *sock, bool busy)
{
	sock->busy = busy;
	if (sock->dispatcher == NULL || busy)
		return;
	sock->active_at = socket_now(sock);
	socket_arm(sock);
}

bool socket_is_held(const struct lined_socket *sock, unsigned reasons)
{
	return (sock->hold_reasons & reasons) != 0;
}
