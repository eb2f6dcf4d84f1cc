/* SPDX-License-Identifier: MIT */
/*
 * Packs and unpacks addresses of both IP families.
 */
#include "config.h"

#include "serve/client_address.h"

#include <netinet/in.h>
#include <string.h>

void client_address_pack(struct client_address *to, const struct sockaddr *from)
{
	to->family = (uint8_t)from->sa_family;
	if (from->sa_family == AF_INET) {
		const struct sockaddr_in *v4 =
			(const struct sockaddr_in *)(const void *)from;

		memcpy(to->host, &v4->sin_addr, 4);
		to->port = v4->sin_port;
	} else if (from->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 =
			(const struct sockaddr_in6 *)(const void *)from;

		memcpy(to->host, &v6->sin6_addr, 16);
		to->port = v6->sin6_port;
		to->scope = v6->sin6_scope_id;
	}
}

void client_address_unpack(struct sockaddr_storage *to,
			   const struct client_address *from)
{
	memset(to, 0, sizeof(*to));
	to->ss_family = from->family;
	if (from->family == AF_INET) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)to;

		memcpy(&v4->sin_addr, from->host, 4);
		v4->sin_port = from->port;
	} else if (from->family == AF_INET6) {
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;

		memcpy(&v6->sin6_addr, from->host, 16);
		v6->sin6_port = from->port;
		v6->sin6_scope_id = from->scope;
	}
}
