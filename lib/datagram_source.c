/* SPDX-License-Identifier: MIT */
/*
 * Reads the local address of a datagram: IP_PKTINFO and IPV6_PKTINFO (RFC
 * 3542).
 */
#include "config.h"

#include "datagram_source.h"

#include <lined/address.h>

bool datagram_source_enable(int fd)
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);
	int on = 1;

	if (getsockname(fd, (struct sockaddr *)&own, &len) < 0 ||
	    !lined_address_is_any((struct sockaddr *)&own))
		return false;
	if (own.ss_family == AF_INET6)
		return setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on,
				  sizeof(on)) == 0;
	return setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) == 0;
}

void datagram_source_read(struct datagram_source *source,
			  struct msghdr *message)
{
	struct cmsghdr *head = CMSG_FIRSTHDR(message);

	source->len = 0;
	if (head == NULL)
		return;
	if (head->cmsg_level == IPPROTO_IP && head->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo *in = (void *)CMSG_DATA(head);

		/* The routes choose the interface. */
		in->ipi_ifindex = 0;
	} else if (head->cmsg_level == IPPROTO_IPV6 &&
		   head->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo *in6 = (void *)CMSG_DATA(head);

		/* A multicast address cannot be a source. */
		if (IN6_IS_ADDR_MULTICAST(&in6->ipi6_addr))
			return;
		if (!IN6_IS_ADDR_LINKLOCAL(&in6->ipi6_addr))
			in6->ipi6_ifindex = 0;
	} else {
		return;
	}
	source->len = message->msg_controllen;
}
