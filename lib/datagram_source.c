/* SPDX-License-Identifier: MIT */
/*
 * The local address of a datagram, by IP_PKTINFO and IPV6_PKTINFO (RFC 3542).
 */
#include "config.h"

#include "datagram_source.h"

#include <string.h>

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
	struct cmsghdr *at;

	source->family = AF_UNSPEC;
	for (at = CMSG_FIRSTHDR(message); at != NULL;
	     at = CMSG_NXTHDR(message, at)) {
		if (at->cmsg_level == IPPROTO_IP &&
		    at->cmsg_type == IP_PKTINFO) {
			source->family = AF_INET;
			memcpy(&source->in, CMSG_DATA(at), sizeof(source->in));
			/* The routes choose the interface. */
			source->in.ipi_ifindex = 0;
		} else if (at->cmsg_level == IPPROTO_IPV6 &&
			   at->cmsg_type == IPV6_PKTINFO) {
			memcpy(&source->in6, CMSG_DATA(at),
			       sizeof(source->in6));
			/* Nothing is sent from a group. */
			if (IN6_IS_ADDR_MULTICAST(&source->in6.ipi6_addr))
				continue;
			source->family = AF_INET6;
			if (!IN6_IS_ADDR_LINKLOCAL(&source->in6.ipi6_addr))
				source->in6.ipi6_ifindex = 0;
		}
	}
}

void datagram_source_write(const struct datagram_source *source,
			   struct msghdr *message,
			   union datagram_control *control)
{
	bool in6 = source->family == AF_INET6;
	size_t size = in6 ? sizeof(source->in6) : sizeof(source->in);
	struct cmsghdr *head = &control->align;

	if (source->family == AF_UNSPEC)
		return;
	memset(control, 0, sizeof(*control));
	message->msg_control = control;
	message->msg_controllen = CMSG_SPACE(size);
	head->cmsg_level = in6 ? IPPROTO_IPV6 : IPPROTO_IP;
	head->cmsg_type = in6 ? IPV6_PKTINFO : IP_PKTINFO;
	head->cmsg_len = CMSG_LEN(size);
	if (in6)
		memcpy(CMSG_DATA(head), &source->in6, size);
	else
		memcpy(CMSG_DATA(head), &source->in, size);
}
