/* SPDX-License-Identifier: MIT */
/*
 * Networks of the operators' `from`; "unix" stands for all clients of UNIX
 * sockets.
 */
#include "chat/peer.h"

#include <string.h>

#include <lined/address.h>

bool chat_peer_is_network(const char *text)
{
	struct lined_network network;

	return strcmp(text, "unix") == 0 ||
	       lined_network_parse(&network, text) != LINED_NETWORK_BAD;
}

bool chat_peer_is_in(const char *peer, const char *text)
{
	struct lined_network network;
	struct lined_address address;

	if (strcmp(text, "unix") == 0)
		return strcmp(peer, "unix") == 0;
	return lined_address_parse(&address, peer) == 0 &&
	       lined_network_parse(&network, text) != LINED_NETWORK_BAD &&
	       lined_network_contains(&network, &address.any);
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
