/* SPDX-License-Identifier: MIT */
/*
 * Holding back a socket's reading for whoever runs the program, beside the
 * pause() of the protocol that uses the socket: neither undoes the other.
 * Thread: the socket's.
 */
#ifndef SOCKET_HOLD_H
#define SOCKET_HOLD_H

#include <stdbool.h>

#include <lined/socket.h>

/*
 * Stops reading for a reason, a bit of the caller's choice, at the current
 * line; the same reason does not nest. Reading goes on, at the earliest in the
 * next turn or later in this, when no reason is left.
 */
void socket_hold(struct lined_socket *sock, unsigned reason);
void socket_unhold(struct lined_socket *sock, unsigned reason);
/* For one of these reasons at least. */
bool socket_is_held(const struct lined_socket *sock, unsigned reasons);

#endif
