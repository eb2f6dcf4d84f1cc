/* SPDX-License-Identifier: MIT */
/* Names of the timeouts in the library and in the config. */
#include "config.h"

#include "serve/timeout_key.h"

#include <string.h>

/* lined_socket_missed_deadline()'s names, and the config keys. */
static const char *const timeout_keys[TIMEOUTS][2] = {
	[TIMEOUT_IDLE] = {"idle", "idle-timeout"},
	[TIMEOUT_FIRST_LINE] = {"first line", "first-line-timeout"},
	[TIMEOUT_LINE] = {"line", "line-timeout"},
	[TIMEOUT_HANDSHAKE] = {"handshake", "handshake-timeout"},
	[TIMEOUT_SEND_STALL] = {"send stall", "send-stall"},
};

const char *timeout_key(enum timeout timeout)
{
	return timeout_keys[timeout][1];
}

enum timeout timeout_missed(const struct lined_socket *sock)
{
	const char *missed = lined_socket_missed_deadline(sock);
	enum timeout i;

	for (i = 0; i < TIMEOUTS; i++)
		if (strcmp(timeout_keys[i][0], missed) == 0)
			break;
	return i;
}
