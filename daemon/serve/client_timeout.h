/* SPDX-License-Identifier: MIT */
/* The timeouts that close a client, and their config keys. */
#pragma once

#include <lined/socket.h>

enum client_timeout {
	CLIENT_TIMEOUT_IDLE,
	CLIENT_TIMEOUT_FIRST_LINE,
	CLIENT_TIMEOUT_LINE,
	CLIENT_TIMEOUT_HANDSHAKE,
	CLIENT_TIMEOUT_SEND_STALL,
	CLIENT_TIMEOUTS
};

/* The config key of the timeout: "idle-timeout". */
const char *client_timeout_key(enum client_timeout timeout);
/* The timeout that has closed the socket; CLIENT_TIMEOUTS: none. */
enum client_timeout client_timeout_of(const struct lined_socket *sock);
