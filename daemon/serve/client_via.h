/* SPDX-License-Identifier: MIT */
/*
 * What a proxy says of a client, beside its address. Only clients that come
 * through a proxy have one.
 */
#ifndef CLIENT_VIA_H
#define CLIENT_VIA_H

#include <stdbool.h>

#include "serve/client_address.h"

struct proxy_header;

struct client_via {
	const char *listen;            /* as client.listen */
	struct client_address address; /* the proxy's */
	/* The client speaks TLS with the proxy. The texts are in this memory;
	 * NULL: the proxy does not say. */
	bool tls, verified;
	const char *version, *cipher, *server_name, *name;
};

/* header NULL: it had none. NULL/ENOMEM. Freed by free(). */
struct client_via *client_via_new(const char *listen,
				  const struct sockaddr *proxy,
				  const struct proxy_header *header);

#endif
