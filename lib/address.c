/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes socket addresses, "HOST:PORT" and networks as text. Logs,
 * tools and protocols use the same form.
 */
#include "config.h"

#include <lined/address.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "fail.h"

#define DIGITS "0123456789"
#define LETTERS                                                                \
	"abcdefghijklmnopqrstuvwxyz"                                           \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define MAPPED_BITS 96

static const struct sockaddr_in *address_in(const struct sockaddr *address)
{
	return (const struct sockaddr_in *)(const void *)address;
}

static const struct sockaddr_in6 *address_in6(const struct sockaddr *address)
{
	return (const struct sockaddr_in6 *)(const void *)address;
}

bool lined_address_is_mapped(const struct sockaddr *address)
{
	return address->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_V4MAPPED(&address_in6(address)->sin6_addr);
}

/* Writes the host. False: the family is neither IPv4 nor IPv6, or the address
 * does not fit. */
static bool address_format_ip(const struct sockaddr *address, char *text,
			      size_t size)
{
	const struct sockaddr_in6 *in6 = address_in6(address);
	size_t used;

	if (address->sa_family == AF_INET)
		return inet_ntop(AF_INET, &address_in(address)->sin_addr, text,
				 (socklen_t)size) != NULL;
	if (address->sa_family != AF_INET6)
		return false;
	if (lined_address_is_mapped(address))
		return inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], text,
				 (socklen_t)size) != NULL;
	if (inet_ntop(AF_INET6, &in6->sin6_addr, text, (socklen_t)size) == NULL)
		return false;
	if (in6->sin6_scope_id != 0) {
		used = strlen(text);
		snprintf(text + used, size - used, "%%%u",
			 (unsigned)in6->sin6_scope_id);
	}
	return true;
}

char *lined_address_format_host(const struct sockaddr *address, char *text,
				size_t size)
{
	if (!address_format_ip(address, text, size))
		snprintf(text, size, "%s",
			 address->sa_family == AF_UNIX ? "unix" : "unknown");
	return text;
}

char *lined_address_format(const struct sockaddr *address, char *text,
			   size_t size)
{
	char host[LINED_ADDRESS_TEXT_MAX];
	bool brackets;

	if (!address_format_ip(address, host, sizeof(host)))
		return lined_address_format_host(address, text, size);
	brackets = address->sa_family == AF_INET6 &&
		   !lined_address_is_mapped(address);
	snprintf(text, size, brackets ? "[%s]:%u" : "%s:%u", host,
		 (unsigned)lined_address_port(address));
	return text;
}

/* Reads a decimal number without sign or leading zero. */
static bool address_read_number(const char *text, unsigned max,
				unsigned *number)
{
	size_t len = strspn(text, DIGITS);
	unsigned long value = strtoul(text, NULL, 10);

	if (len == 0 || text[len] != '\0' || (len > 1 && text[0] == '0') ||
	    value > max)
		return false;
	*number = (unsigned)value;
	return true;
}

/* Reads the name or number of the interface behind a %. -1/ENODEV. */
static int address_read_scope(const char *scope, unsigned *id)
{
	*id = if_nametoindex(scope);
	if (*id != 0 ||
	    (address_read_number(scope, UINT32_MAX, id) && *id != 0))
		return 0;
	return fail_with(ENODEV);
}

/* Reads IPv6 without brackets. *scope is the text behind the %, or NULL. */
static bool address_read_ipv6(const char *host, struct in6_addr *ipv6,
			      const char **scope)
{
	size_t len = strcspn(host, "%");
	char bare[INET6_ADDRSTRLEN];

	*scope = host[len] == '%' ? host + len + 1 : NULL;
	if (len >= sizeof(bare) ||
	    (*scope != NULL &&
	     (**scope == '\0' ||
	      (*scope)[strspn(*scope, DIGITS LETTERS "._-")] != '\0')))
		return false;
	memcpy(bare, host, len);
	bare[len] = '\0';
	return inet_pton(AF_INET6, bare, ipv6) == 1;
}

int lined_address_set(struct lined_address *address, const char *host,
		      uint16_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&address->storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->storage;
	const char *scope;

	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		address->len = sizeof(*in);
		return 0;
	}
	if (!address_read_ipv6(host, &in6->sin6_addr, &scope))
		return fail_with(EINVAL);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	address->len = sizeof(*in6);
	return scope != NULL ? address_read_scope(scope, &in6->sin6_scope_id)
			     : 0;
}

int lined_address_set_unix(struct lined_address *address, const char *path)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&address->storage;
	size_t len = strlen(path);

	memset(address, 0, sizeof(*address));
	if (len == 0 || len >= sizeof(un->sun_path))
		return fail_with(len == 0 ? ENOENT : ENAMETOOLONG);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len + 1);
	address->len =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	return 0;
}

/* ---- hosts and ports -------------------------------------------------- */

static const char *host_port_read_port(struct lined_host_port *to,
				       const char *text)
{
	unsigned port;

	if (text[0] == '0' && text[1] != '\0')
		return "the port has a leading zero: numbers are decimal";
	if (!address_read_number(text, UINT16_MAX, &port))
		return "the port is not 1 to 65535";
	to->port = (uint16_t)port;
	return NULL;
}

static const char *host_port_check_host(struct lined_host_port *to,
					bool bracketed)
{
	struct in6_addr ipv6;
	struct in_addr ipv4;
	const char *scope;

	if (bracketed) {
		to->kind = LINED_HOST_IPV6;
		return address_read_ipv6(to->host, &ipv6, &scope)
			       ? NULL
			       : "brackets are for IPv6";
	}
	if (strcmp(to->host, "*") == 0) {
		to->kind = LINED_HOST_ANY;
		return NULL;
	}
	/* 127.1 and 010.0.0.1 are refused: getaddrinfo(3) would read them as
	 * addresses. */
	if (to->host[strspn(to->host, DIGITS ".")] == '\0') {
		to->kind = LINED_HOST_IPV4;
		return inet_pton(AF_INET, to->host, &ipv4) == 1
			       ? NULL
			       : "the host is not an IPv4 address";
	}
	to->kind = LINED_HOST_NAME;
	if (to->host[strspn(to->host, DIGITS LETTERS "._-")] != '\0')
		return "the host is neither a name nor an address";
	return NULL;
}

/* has_port: the text must have a port. */
static const char *host_port_read(struct lined_host_port *to, const char *text,
				  bool has_port)
{
	bool bracketed = text[0] == '[';
	const char *host = text + bracketed, *why;
	size_t len = strcspn(host, bracketed ? "]" : ":");
	const char *port = host + len + bracketed;

	memset(to, 0, sizeof(*to));
	if (bracketed && host[len] == '\0')
		return "the ] is missing";
	if (*port != ':' && (has_port || *port != '\0'))
		return "the port is missing";
	if (*port == ':' && strchr(port + 1, ':') != NULL)
		return "write IPv6 in brackets: [ADDRESS]:PORT";
	if (len == 0)
		return "the host is missing";
	if (len >= sizeof(to->host))
		return "the host is too long";
	memcpy(to->host, host, len);
	why = host_port_check_host(to, bracketed);
	if (why != NULL || *port == '\0')
		return why;
	return host_port_read_port(to, port + 1);
}

const char *lined_host_port_parse(struct lined_host_port *to, const char *text)
{
	const char *why = host_port_read(to, text, true);

	return why == NULL && to->port == 0 ? "the port is not 1 to 65535"
					    : why;
}

int lined_address_parse(struct lined_address *address, const char *text)
{
	struct lined_host_port parts;

	if (strcmp(text, "unix") == 0) {
		memset(address, 0, sizeof(*address));
		address->any.sa_family = AF_UNIX;
		address->len = sizeof(sa_family_t);
		return 0;
	}
	/* IPv6 without brackets: no colon separates a port. */
	if (text[0] != '[' && strchr(text, ':') != strrchr(text, ':'))
		return lined_address_set(address, text, 0);
	if (host_port_read(&parts, text, false) == NULL)
		return lined_address_set(address, parts.host, parts.port);
	return fail_with(EINVAL);
}

/* ---- comparing -------------------------------------------------------- */

uint16_t lined_address_port(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohs(address_in(address)->sin_port);
	if (address->sa_family == AF_INET6)
		return ntohs(address_in6(address)->sin6_port);
	return 0;
}

bool lined_address_is_any(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return address_in(address)->sin_addr.s_addr ==
		       htonl(INADDR_ANY);
	return address->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_UNSPECIFIED(&address_in6(address)->sin6_addr);
}

bool lined_address_equal(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family ||
	    lined_address_port(a) != lined_address_port(b))
		return false;
	if (a->sa_family == AF_INET)
		return address_in(a)->sin_addr.s_addr ==
		       address_in(b)->sin_addr.s_addr;
	return a->sa_family == AF_INET6 &&
	       address_in6(a)->sin6_scope_id == address_in6(b)->sin6_scope_id &&
	       memcmp(&address_in6(a)->sin6_addr, &address_in6(b)->sin6_addr,
		      sizeof(struct in6_addr)) == 0;
}

/* ---- networks --------------------------------------------------------- */

static unsigned network_prefix_max(const struct lined_network *network)
{
	return network->family == AF_INET ? 32 : 128;
}

/* Clears the bits past a prefix. Returns whether any of them was set. */
static bool network_set_prefix(struct lined_network *network, unsigned prefix)
{
	size_t len = network_prefix_max(network) / 8, i, bits;
	bool found = false;
	uint8_t mask;

	if (prefix > network_prefix_max(network))
		prefix = network_prefix_max(network);
	network->prefix = prefix;
	for (i = 0; i < len; i++) {
		bits = prefix > i * 8 ? prefix - i * 8 : 0;
		mask = bits >= 8 ? 0xff : (uint8_t)(0xff00u >> bits);
		if ((network->bytes[i] & (uint8_t)~mask) != 0)
			found = true;
		network->bytes[i] &= mask;
	}
	return found;
}

/* Changes ::ffff:192.0.2.0/120 to 192.0.2.0/24. */
static void network_unmap(struct lined_network *network)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (network->family != AF_INET6 || network->prefix < MAPPED_BITS ||
	    memcmp(network->bytes, mapped, sizeof(mapped)) != 0)
		return;
	memmove(network->bytes, network->bytes + sizeof(mapped), 4);
	memset(network->bytes + 4, 0, 12);
	network->family = AF_INET;
	network->prefix -= MAPPED_BITS;
}

enum lined_network_status lined_network_parse(struct lined_network *network,
					      const char *text)
{
	size_t len = strcspn(text, "/");
	char host[INET6_ADDRSTRLEN];

	memset(network, 0, sizeof(*network));
	if (len >= sizeof(host))
		return LINED_NETWORK_BAD;
	memcpy(host, text, len);
	host[len] = '\0';
	network->family = strchr(host, ':') != NULL ? AF_INET6 : AF_INET;
	network->prefix = network_prefix_max(network);
	if (inet_pton(network->family, host, network->bytes) != 1 ||
	    (text[len] == '/' &&
	     !address_read_number(text + len + 1, network->prefix,
				  &network->prefix)))
		return LINED_NETWORK_BAD;
	network_unmap(network);
	return network_set_prefix(network, network->prefix)
		       ? LINED_NETWORK_HOST_BITS
		       : LINED_NETWORK_OK;
}

bool lined_network_of(struct lined_network *network,
		      const struct sockaddr *address, unsigned ipv4_prefix,
		      unsigned ipv6_prefix)
{
	memset(network, 0, sizeof(*network));
	network->family = address->sa_family;
	if (network->family == AF_INET)
		memcpy(network->bytes, &address_in(address)->sin_addr, 4);
	else if (network->family == AF_INET6)
		memcpy(network->bytes, &address_in6(address)->sin6_addr, 16);
	else
		return false;
	network->prefix = network_prefix_max(network);
	network_unmap(network);
	network_set_prefix(network, network->family == AF_INET ? ipv4_prefix
							       : ipv6_prefix);
	return true;
}

bool lined_network_contains(const struct lined_network *network,
			    const struct sockaddr *address)
{
	struct lined_network of;

	return lined_network_of(&of, address, network->prefix,
				network->prefix) &&
	       lined_network_equal(network, &of);
}

const struct lined_network *
lined_network_longest(const struct lined_network *networks, size_t count,
		      const struct sockaddr *address)
{
	const struct lined_network *longest = NULL;
	size_t i;

	for (i = 0; i < count; i++)
		if ((longest == NULL || networks[i].prefix > longest->prefix) &&
		    lined_network_contains(&networks[i], address))
			longest = &networks[i];
	return longest;
}

bool lined_network_equal(const struct lined_network *a,
			 const struct lined_network *b)
{
	return a->family == b->family && a->prefix == b->prefix &&
	       memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

char *lined_network_format(const struct lined_network *network, char *text,
			   size_t size)
{
	char host[INET6_ADDRSTRLEN];

	inet_ntop(network->family, network->bytes, host, sizeof(host));
	if (network->prefix == network_prefix_max(network))
		snprintf(text, size, "%s", host);
	else
		snprintf(text, size, "%s/%u", host, network->prefix);
	return text;
}
