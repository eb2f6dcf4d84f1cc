/* SPDX-License-Identifier: MIT */
/*
 * Decides whether a connection was closed for a cause that penalizes its
 * address. client_tls.c and client_web.c report faulty handshakes.
 */
#include "config.h"

#include "serve/client_penalty.h"

#include "serve/client.h"
#include "serve/client_log.h"
#include "serve/service_instance.h"
#include "socket_daemon.h"

void client_penalize(struct lined_socket *sock, const char *cause)
{
	struct client *client = client_of(sock);
	struct lined_service *instance = client_instance(sock);
	struct sockaddr_storage address;

	/* Before admission the address may be the proxy's. */
	if (client->peer.judged || client->peer.unadmitted ||
	    lined_socket_is_datagram(sock))
		return;
	client->peer.judged = true;
	client_address_unpack(&address, &client->peer);
	instance->ops->penalize(instance, socket_class(sock),
				(struct sockaddr *)&address, cause);
}

void client_penalize_close(struct lined_socket *sock)
{
	enum timeout timeout = timeout_missed(sock);

	if (socket_close_reason(sock) == LINED_CLOSE_TOO_LONG)
		client_penalize(sock,
				lined_close_reason_text(LINED_CLOSE_TOO_LONG));
	else if (timeout == TIMEOUT_FIRST_LINE || timeout == TIMEOUT_LINE ||
		 timeout == TIMEOUT_HANDSHAKE)
		client_penalize(sock, timeout_key(timeout));
}
