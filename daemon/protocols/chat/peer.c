/* SPDX-License-Identifier: MIT */
/*
 * Networks of the operators' `from`. IPv4 and IPv6 as inet_pton(3) reads them,
 * with the length of a prefix; "unix" stands for all clients of UNIX sockets.
 */
#include "chat/peer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "chat/text.h"

#define ADDRESS_MAX 64

struct network {
	int family; /* AF_UNIX: no more than that */
	unsigned char host[16];
	unsigned long bits;
};

static bool read_address(const char *text, struct network *network)
{
	network->family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	network->bits = network->family == AF_INET ? 32 : 128;
	if (strcmp(text, "unix") != 0)
		return inet_pton(network->family, text, network->host) == 1;
	network->family = AF_UNIX;
	network->bits = 0;
	return true;
}

static bool read_network(const char *text, struct network *network)
{
	size_t len = strcspn(text, "/");
	char address[ADDRESS_MAX];

	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	if (!read_address(address, network))
		return false;
	return text[len] == '\0' ||
	       (network->family != AF_UNIX &&
		chat_text_number(text + len + 1, network->bits,
				 &network->bits));
}

/* "192.0.2.1:5123", "[2001:db8::1%2]:5123", "unix" */
static bool read_peer(const char *peer, struct network *network)
{
	const char *begin = peer + (peer[0] == '[');
	size_t len = strcspn(begin, peer[0] == '[' ? "]%" : ":");
	char address[ADDRESS_MAX];

	if (len >= sizeof(address))
		return false;
	memcpy(address, begin, len);
	address[len] = '\0';
	return read_address(address, network);
}

bool chat_peer_is_network(const char *text)
{
	struct network network;

	return read_network(text, &network);
}

bool chat_peer_is_in(const char *peer, const char *text)
{
	struct network client, network;
	size_t whole;
	unsigned mask;

	if (!read_peer(peer, &client) || !read_network(text, &network) ||
	    client.family != network.family)
		return false;
	whole = network.bits / 8;
	if (memcmp(client.host, network.host, whole) != 0)
		return false;
	if (network.bits % 8 == 0)
		return true;
	mask = 0xffu << (8 - network.bits % 8) & 0xffu;
	return ((client.host[whole] ^ network.host[whole]) & mask) == 0;
}

bool chat_peer_is_in_list(const char *peer,
			  const struct lined_option_list *networks)
{
	size_t i;

	for (i = 0; i < networks->count; i++)
		if (chat_peer_is_in(peer, networks->items[i]))
			return true;
	return networks->count == 0;
}
