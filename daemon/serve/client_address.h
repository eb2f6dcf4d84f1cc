/* SPDX-License-Identifier: MIT */
/*
 * The address of a client's peer, in a fifth of what a sockaddr_storage takes:
 * every idle client has one.
 */
#ifndef CLIENT_ADDRESS_H
#define CLIENT_ADDRESS_H

#include <stdint.h>
#include <sys/socket.h>

struct client_address {
	unsigned char host[16];
	uint16_t port; /* network order */
	uint16_t family;
	uint32_t scope;
};

/* For a UNIX socket only the family is kept. */
void client_address_pack(struct client_address *to,
			 const struct sockaddr *from);
void client_address_unpack(struct sockaddr_storage *to,
			   const struct client_address *from);

#endif
