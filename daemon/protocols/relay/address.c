/* SPDX-License-Identifier: MIT */
/*
 * Reads the addresses of upstreams and connects to them. upstreams.c and
 * proxy.c decide which address is tried.
 */
#include "relay/address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CONNECT_MS 10000

static int address_refuse(const char *text, const char *why, char *error,
			  size_t size)
{
	snprintf(error, size, "upstream \"%s\": %s", text, why);
	return -1;
}

int relay_address_parse(const char *text, struct relay_address *address,
			char *error, size_t size)
{
	const char *why;

	memset(address, 0, sizeof(*address));
	address->tls = strncmp(text, "tls://", 6) == 0;
	if (!address->tls && strncmp(text, "tcp://", 6) != 0)
		return address_refuse(
			text, "it begins with neither tcp:// nor tls://", error,
			size);
	why = lined_host_port_parse(&address->to, text + 6);
	if (why == NULL && address->to.kind == LINED_HOST_ANY)
		why = "the host is neither a name nor an address";
	if (why != NULL)
		return address_refuse(text, why, error, size);
	snprintf(address->text, sizeof(address->text), "%s", text);
	return 0;
}

void relay_address_log_unserved(struct lined_service *service,
				const struct lined_option_list *upstream)
{
	struct relay_address address;
	size_t served = 0, i;
	char error[512];

	for (i = 0; i < upstream->count; i++) {
		if (relay_address_parse(upstream->items[i], &address, error,
					sizeof(error)) < 0)
			continue;
		if (address.tls)
			lined_service_log(service, LINED_LOG_NOTICE,
					  "upstream %s: TLS is not served yet",
					  address.text);
		else
			served++;
	}
	if (upstream->count > 0 && served == 0)
		lined_service_log(service, LINED_LOG_WARNING,
				  "upstream: none of the addresses is served");
}

struct lined_socket *
relay_address_connect(struct lined_service *service,
		      const struct relay_address *address,
		      const struct lined_socket_handlers *handlers, void *arg)
{
	struct lined_framing framing = *lined_service_framing(service);
	struct lined_socket *sock = lined_socket_new(NULL, NULL);
	int error;

	if (sock == NULL)
		return NULL;
	framing.unterminated = LINED_UNTERMINATED_DROP;
	lined_socket_set_framing(sock, &framing);
	lined_socket_set_group(sock, lined_service_group(service));
	if (lined_socket_connect(sock, address->to.host, address->to.port,
				 CONNECT_MS) == 0 &&
	    lined_dispatcher_register_socket(lined_service_dispatcher(service),
					     sock) != NULL) {
		lined_socket_set_handlers(sock, handlers, arg);
		return sock;
	}
	error = errno;
	lined_socket_close(sock);
	errno = error;
	return NULL;
}

static bool address_is_own(const struct lined_socket *sock)
{
	struct sockaddr_storage own, peer;
	socklen_t own_len, peer_len;

	return lined_socket_local(sock, &own, &own_len) == 0 &&
	       lined_socket_peer(sock, &peer, &peer_len) == 0 &&
	       lined_address_equal((struct sockaddr *)&own,
				   (struct sockaddr *)&peer);
}

bool relay_address_connected(struct lined_socket *sock)
{
	if (address_is_own(sock)) {
		lined_socket_close_for(sock, LINED_CLOSE_ERROR, ECONNREFUSED);
		return false;
	}
	/* An error is ignored: the connection works without keepalive. */
	(void)lined_tcp_keepalive(lined_socket_fd(sock));
	return true;
}

const char *relay_address_close_text(const struct relay_address *address,
				     enum lined_close_reason reason, int error,
				     bool connected)
{
	bool looked_up = !connected && address->to.kind == LINED_HOST_NAME;

	if (looked_up && error == EHOSTUNREACH)
		return "the name is not known, or there is no route to it";
	if (looked_up && error == EAGAIN)
		return "the name cannot be looked up now";
	switch (reason) {
	case LINED_CLOSE_PEER:
		return "closed by the peer";
	case LINED_CLOSE_TIMEOUT:
		return connected ? "no line within stale-timeout"
				 : "no answer in 10 s";
	case LINED_CLOSE_TOO_LONG:
		return "a line is over line-length";
	case LINED_CLOSE_SLOW:
		return "it takes nothing within send-stall";
	default:
		return error != 0 ? strerror(error)
				  : lined_close_reason_text(reason);
	}
}
