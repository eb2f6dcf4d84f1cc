/* SPDX-License-Identifier: MIT */
/* Names of the timeouts in the library and in the config. */
#include "config.h"

#include "serve/client_timeout.h"

#include <string.h>

/* lined_socket_missed_deadline()'s names, and the config keys. */
static const char *const client_timeouts[CLIENT_TIMEOUTS][2] = {
	[CLIENT_TIMEOUT_IDLE] = {"idle", "idle-timeout"},
	[CLIENT_TIMEOUT_FIRST_LINE] = {"first line", "first-line-timeout"},
	[CLIENT_TIMEOUT_LINE] = {"line", "line-timeout"},
	[CLIENT_TIMEOUT_HANDSHAKE] = {"handshake", "handshake-timeout"},
	[CLIENT_TIMEOUT_SEND_STALL] = {"send stall", "send-stall"},
};

const char *client_timeout_key(enum client_timeout timeout)
{
	return client_timeouts[timeout][1];
}

enum client_timeout client_timeout_of(const struct lined_socket *sock)
{
	const char *missed = lined_socket_missed_deadline(sock);
	enum client_timeout i;

	for (i = 0; i < CLIENT_TIMEOUTS; i++)
		if (strcmp(client_timeouts[i][0], missed) == 0)
			break;
	return i;
}
