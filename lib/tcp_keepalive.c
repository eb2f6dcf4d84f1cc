/* SPDX-License-Identifier: MIT */
/*
 * TCP keepalive, with the same times for accepted and connecting sockets.
 */
#include "config.h"

#include <lined/address.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

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
