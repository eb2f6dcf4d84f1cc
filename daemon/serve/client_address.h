/* SPDX-License-Identifier: MIT */
/*
 * The address of a client's peer in 24 bytes: a sockaddr_storage takes five
 * times as many, and every idle client needs one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct client_address {
	unsigned char host[16];
	uint16_t port; /* network byte order */
	uint8_t family;
	bool proxied : 1;    /* the client is behind a proxy: client.via */
	bool web : 1;        /* in its handshake: WebSocket follows */
	bool unadmitted : 1; /* it does not count towards `clients` */
	/* Here for want of room in struct client. */
	bool place_taken : 1; /* by client_take_place() */
	bool is_program : 1;  /* keeper_may_have(); valid if looked_at */
	bool looked_at : 1;
	bool judged : 1; /* by client_penalize() */
	uint32_t scope;
};

/* Only the family of a UNIX address is kept. */
void client_address_pack(struct client_address *to,
			 const struct sockaddr *from);
void client_address_unpack(struct sockaddr_storage *to,
			   const struct client_address *from);

/* ---- the way there ------------------------------------------------------ */

struct proxy_header;

struct client_via {
	const char *listen;            /* as client.listen */
	struct client_address address; /* the proxy's */
	/* The client speaks TLS with the proxy. The texts are in this memory;
	 * "": the proxy does not say. */
	bool tls, verified;
	const char *version, *cipher, *server_name, *name;
};

/* header NULL: it had none. NULL/ENOMEM. Freed by free(). */
struct client_via *client_via_new(const char *listen,
				  const struct sockaddr *proxy,
				  const struct proxy_header *header);
