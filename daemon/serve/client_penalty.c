/* SPDX-License-Identifier: MIT */
/*
 * Penalizes addresses of clients: for a line that is too long, a missed
 * timeout, or a cause from another file. client_tls.c and client_web.c report
 * faulty handshakes.
 */
#include "config.h"

#include "serve/client_penalty.h"

#include "log/log.h"
#include "net/penalty.h"
#include "serve/client.h"
#include "serve/client_log.h"
#include "serve/service_instance.h"
#include "socket_daemon.h"

void client_penalize_address(struct penalties *penalties,
			     const struct conf_service *conf, uint8_t class,
			     const struct sockaddr *address, uint64_t now_ms,
			     const char *cause)
{
	uint32_t length_ms = penalties_add(
		penalties, &conf_class_bounds(conf, class)->penalty, address,
		now_ms, cause);
	char text[LINED_ADDRESS_TEXT_MAX];

	if (length_ms > 0)
		log_info("service %s: penalty %s: %g s: %s", conf->name,
			 lined_address_format(address, text, sizeof(text)),
			 length_ms / 1000.0, cause);
}

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
	client_penalize_address(
		instance->penalties, instance->conf, socket_class(sock),
		(struct sockaddr *)&address,
		lined_dispatcher_now_ms(instance->worker->dispatcher), cause);
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
