/* SPDX-License-Identifier: MIT */
/* Joins multicast groups with the protocol-independent options of RFC 3678. */
#include "config.h"

#include "net/multicast.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

bool multicast_is_group(const struct listen_endpoint *endpoint)
{
	const struct sockaddr *any = &endpoint->address.any;

	if (any->sa_family == AF_INET6)
		return IN6_IS_ADDR_MULTICAST(
			&((const struct sockaddr_in6 *)(const void *)any)
				 ->sin6_addr);
	return any->sa_family == AF_INET &&
	       IN_MULTICAST(
		       ntohl(((const struct sockaddr_in *)(const void *)any)
				     ->sin_addr.s_addr));
}

static int multicast_request(int fd, int level,
			     const struct listen_endpoint *endpoint)
{
	struct group_source_req with = {.gsr_interface = endpoint->interface};
	struct group_req any = {.gr_interface = endpoint->interface};

	if (endpoint->source.len == 0) {
		memcpy(&any.gr_group, &endpoint->address.any,
		       endpoint->address.len);
		return setsockopt(fd, level, MCAST_JOIN_GROUP, &any,
				  sizeof(any));
	}
	memcpy(&with.gsr_group, &endpoint->address.any, endpoint->address.len);
	memcpy(&with.gsr_source, &endpoint->source.any, endpoint->source.len);
	return setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &with,
			  sizeof(with));
}

/* By default, a socket bound to a group also receives messages that only other
 * programs have asked for, e.g. from other sources. Turns this off. */
static int multicast_exclude_others(int fd, int level)
{
	int off = 0;

	return setsockopt(fd, level,
			  level == IPPROTO_IPV6 ? IPV6_MULTICAST_ALL
						: IP_MULTICAST_ALL,
			  &off, sizeof(off));
}

int multicast_join(int fd, const struct listen_endpoint *endpoint, char *error,
		   size_t size)
{
	int level = endpoint->address.any.sa_family == AF_INET6 ? IPPROTO_IPV6
								: IPPROTO_IP;

	/* EADDRINUSE, EADDRNOTAVAIL: a stored socket has joined already. */
	if (multicast_exclude_others(fd, level) == 0 &&
	    (multicast_request(fd, level, endpoint) == 0 ||
	     errno == EADDRINUSE || errno == EADDRNOTAVAIL))
		return 0;
	if (errno == ENODEV && endpoint->interface == 0)
		snprintf(error, size,
			 "cannot join the group: there is no route to it; "
			 "?interface=NAME says where");
	else
		snprintf(error, size, "cannot join the group: %s",
			 strerror(errno));
	return -1;
}
