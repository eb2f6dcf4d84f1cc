/* SPDX-License-Identifier: MIT */
/*
 * The functions of lined/tls.h that know the service of a client; the others
 * are in lib/.
 */
#include "config.h"

#include <lined/tls.h>

#include <string.h>

#include "serve/instance.h"
#include "serve/client_tls.h"
#include "tls.h"

static const char *api_text(const char *text)
{
	return text != NULL ? text : "";
}

/* The TLS between the client and the proxy that it is behind. */
static bool api_describe_via(struct lined_socket *sock, struct lined_tls *out)
{
	const struct client *client = client_of(sock);
	const struct client_via *via = client->via;

	if (!client->peer.proxied || !via->tls)
		return false;
	memset(out, 0, sizeof(*out));
	out->version = api_text(via->version);
	out->cipher = api_text(via->cipher);
	out->server_name = api_text(via->server_name);
	out->name = via->verified ? api_text(via->name) : "";
	out->verified = via->verified;
	return true;
}

bool lined_client_tls(struct lined_socket *client, struct lined_tls *out)
{
	return tls_describe(client, out) || api_describe_via(client, out);
}

int lined_client_start_tls(struct lined_socket *client)
{
	return client_begin_tls(client_instance(client), client);
}
