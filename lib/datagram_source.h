/* SPDX-License-Identifier: MIT */
/*
 * The local address to which a datagram came, so that the answer leaves from
 * it. Without this a host with several addresses answers from the address that
 * its routes choose, and the sender rejects the answer. Only for sockets that
 * are bound to all addresses.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

struct datagram_source {
	sa_family_t family; /* AF_UNSPEC: not known, the routes choose */
	union {
		struct in_pktinfo in;
		struct in6_pktinfo in6;
	};
};

/* Room for the control message of either family. */
union datagram_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* If the socket is bound to all addresses, makes the kernel report the local
 * address of each datagram. False: not bound to all addresses, or the kernel
 * cannot. */
bool datagram_source_enable(int fd);

/* Reads the local address out of a message that was received. */
void datagram_source_read(struct datagram_source *source,
			  struct msghdr *message);

/* Makes the message leave from this address; control is borrowed. */
void datagram_source_write(const struct datagram_source *source,
			   struct msghdr *message,
			   union datagram_control *control);
