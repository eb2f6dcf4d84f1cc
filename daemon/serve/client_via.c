/* SPDX-License-Identifier: MIT */
/*
 * Copies what is to be kept of a PROXY header into one allocation.
 */
#include "config.h"

#include "serve/client_via.h"

#include <stdlib.h>
#include <string.h>

#include "proxy_header.h"

/* Copies the text behind *at, up to a NUL that it may have. */
static const char *via_copy(char **at, struct proxy_header_text text)
{
	char *copy = *at;

	if (text.text == NULL)
		return NULL;
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
