/* SPDX-License-Identifier: MIT */
/*
 * Begins TLS handshakes of clients.
 */
#include "config.h"

#include "serve/client_tls.h"

#include <errno.h>

#include "serve/instance.h"
#include "tls.h"

int client_start_tls(struct lined_socket *sock)
{
	const struct lined_service *instance = client_instance(sock);

	if (instance->tls == NULL) {
		errno = EINVAL;
		return -1;
	}
	return tls_accept(sock, instance->tls, instance->conf->handshake_ms,
			  NULL);
}
