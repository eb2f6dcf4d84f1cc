/* SPDX-License-Identifier: MIT */
/*
 * Matches addresses against networks. Linear: a config's rules are a handful,
 * and they are asked once a connection.
 */
#include "config.h"

#include "net/access.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define MAPPED_BITS 96

/* The bytes of an IP address; mapped ones as IPv4. 0: it is no IP address. */
static int address_bytes(const struct sockaddr *address, const uint8_t **bytes)
{
	const struct sockaddr_in *in = (const void *)address;
	const struct sockaddr_in6 *in6 = (const void *)address;

	if (address->sa_family == AF_INET) {
		*bytes = (const uint8_t *)&in->sin_addr;
		return AF_INET;
	}
	if (address->sa_family != AF_INET6)
		return 0;
	*bytes = in6->sin6_addr.s6_addr;
	if (!IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return AF_INET6;
	*bytes += MAPPED_BITS / 8;
	return AF_INET;
}

/* Clears what lies past the prefix; whether anything did. */
static bool clear_host_bits(struct network *network)
{
	size_t len = network->family == AF_INET ? 4 : 16;
	size_t i, bits;
	bool found = false;
	uint8_t keep;

	for (i = 0; i < len; i++) {
		bits = network->prefix > i * 8 ? network->prefix - i * 8 : 0;
		keep = bits >= 8 ? 0xff : (uint8_t)(0xff00u >> bits);
		if ((network->bytes[i] & (uint8_t)~keep) != 0)
			found = true;
		network->bytes[i] &= keep;
	}
	return found;
}

/* A prefix, decimal, without sign or leading zero. */
static bool parse_prefix(const char *text, unsigned max, unsigned *prefix)
{
	size_t len = strlen(text);
	unsigned value = 0;
	size_t i;

	if (len == 0 || len > 3 || (len > 1 && text[0] == '0'))
		return false;
	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (unsigned)(text[i] - '0');
	}
	*prefix = value;
	return value <= max;
}

/* ::ffff:192.0.2.0/120 is 192.0.2.0/24: peers are compared as IPv4. */
static void unmap(struct network *network)
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

enum network_status network_parse(const char *text, struct network *network)
{
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	char host[INET6_ADDRSTRLEN];
	unsigned max;

	memset(network, 0, sizeof(*network));
	if (len >= sizeof(host))
		return NETWORK_BAD;
	memcpy(host, text, len);
	host[len] = '\0';
	if (inet_pton(AF_INET, host, network->bytes) == 1)
		network->family = AF_INET;
	else if (inet_pton(AF_INET6, host, network->bytes) == 1)
		network->family = AF_INET6;
	else
		return NETWORK_BAD;
	max = network->family == AF_INET ? 32 : 128;
	network->prefix = max;
	if (slash != NULL && !parse_prefix(slash + 1, max, &network->prefix))
		return NETWORK_BAD;
	unmap(network);
	return clear_host_bits(network) ? NETWORK_HOST_BITS : NETWORK_OK;
}

static bool matches(const struct network *network, int family,
		    const uint8_t *bytes)
{
	size_t whole = network->prefix / 8;
	unsigned rest = network->prefix % 8;
	uint8_t mask = (uint8_t)(0xff00u >> rest);

	return network->family == family &&
	       memcmp(network->bytes, bytes, whole) == 0 &&
	       (rest == 0 || network->bytes[whole] == (bytes[whole] & mask));
}

bool network_contains(const struct network *network,
		      const struct sockaddr *address)
{
	return network_longest(network, 1, address) != NULL;
}

const struct network *network_longest(const struct network *networks,
				      size_t count,
				      const struct sockaddr *address)
{
	const uint8_t *bytes;
	int family = address_bytes(address, &bytes);
	const struct network *longest = NULL;
	size_t i;

	if (family == 0)
		return NULL;
	for (i = 0; i < count; i++)
		if ((longest == NULL || networks[i].prefix > longest->prefix) &&
		    matches(&networks[i], family, bytes))
			longest = &networks[i];
	return longest;
}

const char *network_format(const struct network *network, char *text,
			   size_t size)
{
	unsigned max = network->family == AF_INET ? 32 : 128;
	char host[INET6_ADDRSTRLEN];

	inet_ntop(network->family, network->bytes, host, sizeof(host));
	if (network->prefix == max)
		snprintf(text, size, "%s", host);
	else
		snprintf(text, size, "%s/%u", host, network->prefix);
	return text;
}

bool network_equal(const struct network *a, const struct network *b)
{
	return a->family == b->family && a->prefix == b->prefix &&
	       memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

struct access_ruling access_rules_rule(const struct access_rules *rules,
				       const struct sockaddr *address)
{
	struct access_ruling ruling = {.allowed = true};
	const struct network *allowed, *denied;

	if (address->sa_family == AF_UNIX)
		return ruling;
	allowed = network_longest(rules->allow, rules->allow_count, address);
	denied = network_longest(rules->deny, rules->deny_count, address);
	if (allowed == NULL && denied == NULL) {
		ruling.allowed = !rules->has_allow;
		return ruling;
	}
	ruling.allowed = denied == NULL ||
			 (allowed != NULL && allowed->prefix > denied->prefix);
	ruling.network = ruling.allowed ? allowed : denied;
	return ruling;
}

bool access_rules_allow(const struct access_rules *rules,
			const struct sockaddr *address)
{
	return access_rules_rule(rules, address).allowed;
}
