/* SPDX-License-Identifier: MIT */
/*
 * The address of a client's peer in 24 bytes. A sockaddr_storage takes five
 * times as much, for each idle client.
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
	bool web : 1;        /* in the handshake before WebSocket */
	bool unadmitted : 1; /* does not count towards `clients` yet */
	/* Flags of struct client, stored here because there is room. */
	bool place_taken : 1; /* lined_client_take_place() was called */
	bool is_program : 1;  /* keeper_may_have(); valid if looked_at */
	bool looked_at : 1;
	bool judged : 1; /* client_penalize() has run */
	bool heard : 1;  /* a drain has found all input read */
	uint32_t scope;
};

/* A UNIX address is reduced to its family. */
void client_address_pack(struct client_address *to,
			 const struct sockaddr *from);
void client_address_unpack(struct sockaddr_storage *to,
			   const struct client_address *from);

/* ---- clients behind a proxy --------------------------------------------- */

struct proxy_header;

struct client_via {
	const char *listen;            /* as client.listen */
	struct client_address address; /* the proxy's address */
	/* The TLS between client and proxy. The texts are in the same memory;
	 * "": not given by the proxy. */
	bool tls, verified;
	const char *version, *cipher, *server_name, *name;
};

/* header: the PROXY header, or NULL. NULL/ENOMEM. The caller frees the result
 * with free(). */
struct client_via *client_via_new(const char *listen,
				  const struct sockaddr *proxy,
				  const struct proxy_header *header);
