/* SPDX-License-Identifier: MIT */
/*
 * Sets TCP keepalive and the user timeout, so that a peer that has vanished is
 * noticed.
 */
#include "config.h"

#include <lined/address.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#define USER_TIMEOUT_MS (60 * 1000)

int lined_tcp_keepalive(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, 60},
		{IPPROTO_TCP, TCP_KEEPINTVL, 10},
		{IPPROTO_TCP, TCP_KEEPCNT, 6},
	};
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (setsockopt(fd, options[i].level, options[i].name,
			       &options[i].value, sizeof(options[i].value)) < 0)
			return -1;
	return 0;
}

int lined_tcp_user_timeout(int fd, uint32_t send_stall_ms)
{
	unsigned timeout_ms = USER_TIMEOUT_MS;

	if (send_stall_ms == 0 || send_stall_ms > timeout_ms)
		timeout_ms = send_stall_ms;
	return setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
			  sizeof(timeout_ms));
}
