/* SPDX-License-Identifier: MIT */
/* Packs and unpacks addresses; keeps what a proxy says about a client. */
#include "config.h"

#include "serve/client_address.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "proxy_header.h"

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

/* ---- clients behind a proxy --------------------------------------------- */

/* Copies the text to *at and moves *at behind the copy. If the text contains a
 * NUL, readers see only the part before the NUL. */
static const char *via_copy(char **at, struct proxy_header_text text)
{
	char *copy = *at;

	if (text.text == NULL)
		return "";
	memcpy(copy, text.text, text.len);
	copy[text.len] = '\0';
	*at += text.len + 1;
	return copy;
}

struct client_via *client_via_new(const char *listen,
				  const struct sockaddr *proxy,
				  const struct proxy_header *header)
{
	static const struct proxy_header none;
	struct client_via *via;
	char *at;

	if (header == NULL)
		header = &none;
	via = calloc(1, sizeof(*via) + header->version.len +
				header->cipher.len + header->authority.len +
				header->name.len + 4);
	if (via == NULL)
		return NULL;
	via->listen = listen;
	client_address_pack(&via->address, proxy);
	via->tls = header->tls;
	via->verified = header->verified;
	at = (char *)(via + 1);
	via->version = via_copy(&at, header->version);
	via->cipher = via_copy(&at, header->cipher);
	via->server_name = via_copy(&at, header->authority);
	via->name = via_copy(&at, header->name);
	return via;
}
