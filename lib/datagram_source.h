/* SPDX-License-Identifier: MIT */
/*
 * The local address to which a datagram came: the answer should leave from this
 * address. Without this a host with several addresses answers from the address
 * that its routes choose, and the sender rejects the answer. Only for sockets
 * that are bound to all addresses.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* A control message, received with the datagram and sent with its answer. */
struct datagram_source {
	size_t len; /* 0: not known, the routes choose */
	_Alignas(struct cmsghdr) char bytes[CMSG_SPACE(
		sizeof(struct in6_pktinfo))];
};

/* If the socket is bound to all addresses, makes the kernel report the local
 * address of each datagram. False: not bound to all addresses, or the kernel
 * cannot. */
bool datagram_source_enable(int fd);

/* Prepares the source for the answer to a message that was received with
 * source->bytes as its control message. */
void datagram_source_read(struct datagram_source *source,
			  struct msghdr *message);
