/* SPDX-License-Identifier: MIT */
/*
 * Functions on sockets for the daemon, not for protocols. Holding stops the
 * input, for example when a service is full; lined_socket_pause() is the
 * protocol's, and neither undoes the other. Thread: the socket's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <lined/socket.h>

/*
 * Stops reading, after the current line, for a reason: a bit that the caller
 * chooses. Calls with the same bit do not nest. Reading resumes when no bit is
 * left, never within socket_unhold().
 */
void socket_hold(struct lined_socket *sock, unsigned reason);
void socket_unhold(struct lined_socket *sock, unsigned reason);
/* While a socket is busy, the peer waits for an answer, and idle-timeout does
 * not run; it begins anew afterwards. */
void socket_set_busy(struct lined_socket *sock, bool busy);
/* Whether the socket is held for at least one of these reasons. */
bool socket_is_held(const struct lined_socket *sock, unsigned reasons);

/*
 * Whether there is input to read. Part of a line that was received does not
 * count. Input that may be on its way does: socket_catch_up(). False while
 * reading waits for the peer to take output, because the peer decides then when
 * reading resumes.
 */
bool socket_has_unread(const struct lined_socket *sock);

/* The time limit of the handshake, for a socket that is in the handshake or has
 * missed this limit. */
uint32_t socket_handshake_ms(const struct lined_socket *sock);

/* Why a socket is closing, for callbacks before `closed`. */
enum lined_close_reason socket_close_reason(const struct lined_socket *sock);

/*
 * The class of a socket selects its limits. Class 0: the `limits` of the
 * socket's group; class n: classes[n - 1] of the group. A change applies at
 * once. A socket without a group has class 0.
 */
void socket_set_class(struct lined_socket *sock, uint8_t class);
uint8_t socket_class(const struct lined_socket *sock);

/* As lined_socket_wrap() in state CONNECTED or IDLE, but without system calls
 * on the descriptor. It must come from lined_socket_accept_fd(), and so is a
 * non-blocking stream socket. */
int socket_wrap_accepted(struct lined_socket *sock, int fd,
			 enum lined_socket_state state);
