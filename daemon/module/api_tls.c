/* SPDX-License-Identifier: MIT */
/*
 * Implements the functions of lined/tls.h that need a client's service; lib/
 * has the other functions.
 */
#include "config.h"

#include <lined/tls.h>

#include "serve/client_log.h"
#include "serve/client_tls.h"
#include "serve/service_instance.h"

bool lined_client_tls(struct lined_socket *client, struct lined_tls *out)
{
	return client_tls(client, out);
}

int lined_client_start_tls(struct lined_socket *client)
{
	return client_begin_tls(client_instance(client), client);
}
