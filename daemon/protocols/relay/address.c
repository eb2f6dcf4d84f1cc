/* SPDX-License-Identifier: MIT */
/*
 * Addresses of upstreams: reading them, connecting to them, why that failed
 * and when to try again. Which one is tried, and what goes over it, is decided
 * elsewhere.
 */
#include "relay/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 10000

#define DIGITS "0123456789"
#define LETTERS                                                                \
	"abcdefghijklmnopqrstuvwxyz"                                           \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* ---- reading ------------------------------------------------------------ */

static int refuse(const char *text, const char *why, char *error, size_t size)
{
	snprintf(error, size, "upstream \"%s\": %s", text, why);
	return -1;
}

/* Why it is none; NULL: it is one. */
static const char *read_port(const char *text, uint16_t *port)
{
	unsigned long value = strtoul(text, NULL, 10);

	if (text[0] == '\0' || strlen(text) > 5 || text[0] == '0' ||
	    text[strspn(text, DIGITS)] != '\0' || value > UINT16_MAX)
		return "the port is not 1 to 65535";
	*port = (uint16_t)value;
	return NULL;
}

static bool is_ipv6(const char *host)
{
	char address[256];
	struct in6_addr v6;
	const char *scope = strchr(host, '%');

	if (scope != NULL &&
	    (scope[1] == '\0' ||
	     scope[1 + strspn(scope + 1, DIGITS LETTERS "._-")] != '\0'))
		return false;
	snprintf(address, sizeof(address), "%.*s", (int)strcspn(host, "%"),
		 host);
	return inet_pton(AF_INET6, address, &v6) == 1;
}

static const char *check_host(const char *host, bool bracketed)
{
	struct in_addr v4;

	if (bracketed)
		return is_ipv6(host) ? NULL : "brackets are for IPv6";
	if (host[0] == '\0')
		return "the host is missing";
	/* What looks like an address is not looked up as a name. */
	if (host[strspn(host, DIGITS ".")] == '\0')
		return inet_pton(AF_INET, host, &v4) == 1
			       ? NULL
			       : "the host is no IPv4 address";
	if (host[strspn(host, DIGITS LETTERS "._-")] != '\0')
		return "the host is neither a name nor an address";
	return NULL;
}

/* Cuts "HOST:PORT" in two. */
static const char *read_place(const char *place, struct relay_address *address)
{
	bool bracketed = place[0] == '[';
	const char *host = bracketed ? place + 1 : place;
	const char *end = strchr(host, bracketed ? ']' : ':');
	const char *colon, *why;

	if (bracketed && end == NULL)
		return "the ] is missing";
	colon = bracketed ? end + 1 : end;
	if (colon == NULL || *colon != ':')
		return "the port is missing";
	if (strchr(colon + 1, ':') != NULL)
		return "write IPv6 in brackets: [ADDRESS]:PORT";
	if ((size_t)(end - host) >= sizeof(address->host))
		return "the host is too long";
	memcpy(address->host, host, (size_t)(end - host));
	address->host[end - host] = '\0';
	why = check_host(address->host, bracketed);
	return why != NULL ? why : read_port(colon + 1, &address->port);
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
	why = read_place(text + 6, address);
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
	if (lined_socket_connect(sock, address->host, address->port,
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

	memset(&own, 0, sizeof(own));
	memset(&peer, 0, sizeof(peer));
	return lined_socket_local(sock, &own, &own_len) == 0 &&
	       lined_socket_peer(sock, &peer, &peer_len) == 0 &&
	       own_len == peer_len && memcmp(&own, &peer, own_len) == 0;
}

bool relay_address_reached(struct lined_socket *sock)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, 60},
		{IPPROTO_TCP, TCP_KEEPINTVL, 10},
		{IPPROTO_TCP, TCP_KEEPCNT, 6},
	};
	size_t i;

	if (is_self(sock)) {
		lined_socket_close_for(sock, LINED_CLOSE_ERROR, ECONNREFUSED);
		return false;
	}
	/* Without them the connection is as good as before. */
	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		(void)setsockopt(lined_socket_fd(sock), options[i].level,
				 options[i].name, &options[i].value,
				 sizeof(options[i].value));
	return true;
}

/* ---- failing ------------------------------------------------------------ */

static bool is_name(const struct relay_address *address)
{
	return address->host[strspn(address->host, DIGITS ".")] != '\0' &&
	       strchr(address->host, ':') == NULL;
}

const char *relay_address_why(const struct relay_address *address,
			      enum lined_close_reason reason, int error,
			      bool stood)
{
	if (!stood && is_name(address) && error == EHOSTUNREACH)
		return "the name is not known, or there is no route to it";
	if (!stood && is_name(address) && error == EAGAIN)
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
