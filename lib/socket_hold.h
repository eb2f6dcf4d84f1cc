/* SPDX-License-Identifier: MIT */
/*
 * Holding a socket: the program stops its input, for example when a service is
 * full, independently of the protocol, which has lined_socket_pause(). Neither
 * undoes the other. Thread: the socket's.
 */
#ifndef SOCKET_HOLD_H
#define SOCKET_HOLD_H

#include <stdbool.h>

#include <lined/socket.h>

/*
 * Stops reading, behind the current line, for a reason: a bit that the caller
 * chooses. Calls with the same bit do not nest. Reading resumes when no bit is
 * left, never within socket_unhold().
 */
void socket_hold(struct lined_socket *sock, unsigned reason);
void socket_unhold(struct lined_socket *sock, unsigned reason);
/* While busy, the peer waits for an answer: idle-timeout does not run. It
 * begins anew afterwards. */
void socket_set_busy(struct lined_socket *sock, bool busy);
/* Whether it is held for at least one of these reasons. */
bool socket_is_held(const struct lined_socket *sock, unsigned reasons);

#endif
