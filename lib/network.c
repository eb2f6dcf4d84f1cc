/* SPDX-License-Identifier: MIT */
/*
 * Networks: reading them, and finding the network that contains an address. The
 * search is linear, because there are few rules and one search for each
 * connection.
 */
#include "config.h"

#include <lined/address.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define MAPPED_BITS 96

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

/* ::ffff:192.0.2.0/120 is 192.0.2.0/24. */
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

static bool network_read_prefix(struct lined_network *network, const char *text)
{
	size_t len = strspn(text, "0123456789");
	unsigned value = 0;

	if (len == 0 || len > 3 || text[len] != '\0' ||
	    (len > 1 && text[0] == '0'))
		return false;
	while (*text != '\0')
		value = value * 10 + (unsigned)(*text++ - '0');
	network->prefix = value;
	return value <= network_prefix_max(network);
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
	    (text[len] == '/' && !network_read_prefix(network, text + len + 1)))
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
	const struct sockaddr_in *in = (const void *)address;
	const struct sockaddr_in6 *in6 = (const void *)address;

	memset(network, 0, sizeof(*network));
	network->family = address->sa_family;
	if (network->family == AF_INET)
		memcpy(network->bytes, &in->sin_addr, 4);
	else if (network->family == AF_INET6)
		memcpy(network->bytes, &in6->sin6_addr, 16);
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
