/* SPDX-License-Identifier: MIT */
/*
 * Addresses of upstreams: reading them, connecting to them, why that failed
 * and when to try again. Which one is tried, and what goes over it, is decided
 * elsewhere.
 */
#include "relay/relay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CONNECT_MS 10000

/* ---- reading ------------------------------------------------------------ */

static int refuse(const char *text, const char *why, char *error, size_t size)
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
		return refuse(text, "it begins with neither tcp:// nor tls://",
			      error, size);
	why = lined_host_port_parse(&address->to, text + 6);
	if (why == NULL && address->to.kind == LINED_HOST_ANY)
		why = "the host is neither a name nor an address";
	if (why != NULL)
		return refuse(text, why, error, size);
	snprintf(address->text, sizeof(address->text), "%s", text);
	return 0;
}

void relay_address_tell_unserved(const struct relay *relay)
{
	const struct lined_option_list *list = &relay->options->upstream;
	struct relay_address address;
	size_t served = 0, i;
	char error[512];

	for (i = 0; i < list->count; i++) {
		if (relay_address_parse(list->items[i], &address, error,
					sizeof(error)) < 0)
			continue;
		if (address.tls)
			lined_service_log(relay->service, LINED_LOG_NOTICE,
					  "upstream %s: TLS is not served yet",
					  address.text);
		else
			served++;
	}
	if (list->count > 0 && served == 0)
		lined_service_log(relay->service, LINED_LOG_WARNING,
				  "upstream: none of the addresses is served");
}

/* ---- connecting --------------------------------------------------------- */

struct lined_socket *
relay_address_connect(const struct relay *relay,
		      const struct relay_address *address,
		      const struct lined_socket_handlers *handlers, void *arg)
{
	struct lined_framing framing = *lined_service_framing(relay->service);
	struct lined_socket *sock = lined_socket_new(NULL, NULL);
	int error;

	if (sock == NULL)
		return NULL;
	framing.unterminated = LINED_UNTERMINATED_DROP;
	lined_socket_set_framing(sock, &framing);
	lined_socket_set_group(sock, lined_service_group(relay->service));
	if (lined_socket_connect(sock, address->to.host, address->to.port,
				 CONNECT_MS) == 0 &&
	    lined_dispatcher_register_socket(
		    lined_service_dispatcher(relay->service), sock) != NULL) {
		lined_socket_set_handlers(sock, handlers, arg);
		return sock;
	}
	error = errno;
	lined_socket_close(sock);
	errno = error;
	return NULL;
}

static bool is_self(const struct lined_socket *sock)
{
	struct sockaddr_storage own, peer;
	socklen_t own_len, peer_len;

	return lined_socket_local(sock, &own, &own_len) == 0 &&
	       lined_socket_peer(sock, &peer, &peer_len) == 0 &&
	       lined_address_equal((struct sockaddr *)&own,
				   (struct sockaddr *)&peer);
}

bool relay_address_reached(struct lined_socket *sock)
{
	if (is_self(sock)) {
		lined_socket_close_for(sock, LINED_CLOSE_ERROR, ECONNREFUSED);
		return false;
	}
	/* Without it the connection is as good as before. */
	(void)lined_tcp_keepalive(lined_socket_fd(sock));
	return true;
}

/* ---- failing ------------------------------------------------------------ */

const char *relay_address_why(const struct relay_address *address,
			      enum lined_close_reason reason, int error,
			      bool stood)
{
	bool looked_up = !stood && address->to.kind == LINED_HOST_NAME;

	if (looked_up && error == EHOSTUNREACH)
		return "the name is not known, or there is no route to it";
	if (looked_up && error == EAGAIN)
		return "the name cannot be looked up now";
	switch (reason) {
	case LINED_CLOSE_PEER:
		return "closed by the peer";
	case LINED_CLOSE_TIMEOUT:
		return stood ? "no line within stale-timeout"
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

uint64_t relay_address_retry_ms(uint64_t min_ms, uint64_t max_ms,
				unsigned failures, uint32_t random)
{
	uint64_t most = min_ms, least;

	if (failures == 0)
		return min_ms;
	while (failures-- > 0 && most < max_ms)
		most *= 2;
	if (most > max_ms)
		most = max_ms;
	least = most / 2 > min_ms ? most / 2 : min_ms;
	if (least > most)
		least = most;
	return least + random % (most - least + 1);
}
