/* SPDX-License-Identifier: MIT */
/*
 * The functions of lined/tls.h that know the service of a client; the others
 * are in lib/.
 */
#include "config.h"

#include <lined/tls.h>

#include <errno.h>

#include "serve/instance.h"
#include "serve/client_tls.h"
#include "tls.h"

bool lined_client_tls(struct lined_socket *client, struct lined_tls *out)
{
	return tls_describe(client, out);
}

int lined_client_start_tls(struct lined_socket *client)
{
	return client_begin_tls(client_instance(client), client);
}
