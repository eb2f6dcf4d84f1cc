/* SPDX-License-Identifier: MIT */
/* The timeouts that close a client, and their config keys. */
#pragma once

#include <lined/socket.h>

enum timeout {
	TIMEOUT_IDLE,
	TIMEOUT_FIRST_LINE,
	TIMEOUT_LINE,
	TIMEOUT_HANDSHAKE,
	TIMEOUT_SEND_STALL,
	TIMEOUTS
};

/* The config key of the timeout: "idle-timeout". */
const char *timeout_key(enum timeout timeout);
/* The timeout that has closed the socket; TIMEOUTS: none. */
enum timeout timeout_missed(const struct lined_socket *sock);
