/* SPDX-License-Identifier: MIT */
/*
 * Keys of addresses: the first eight bytes of an IPv6 address; for IPv4,
 * link-local and users, eight bytes with which no IPv6 host's address begins.
 */
#include "config.h"

#include "net/address_hash.h"

#include <netinet/in.h>
#include <string.h>

#include <lined/address.h>

/* All hosts of a link share fe80::/64, so each address has a key of its own:
 * fe80 and 48 bits of the interface identifier, usually the MAC address. */
static void address_key_of_link_local(const unsigned char id[8],
				      unsigned char key[ADDRESS_KEY_LEN])
{
	memcpy(key + 2, id, 3);
	memcpy(key + 5, id + 5, 3);
	key[3] ^= id[3];
	key[4] ^= id[4];
}

bool address_key(const struct sockaddr *address,
		 unsigned char key[ADDRESS_KEY_LEN])
{
	struct lined_network network;

	if (!lined_network_of(&network, address, 32, 64))
		return false;
	memcpy(key, network.bytes, 8);
	if (network.family == AF_INET6 &&
	    IN6_IS_ADDR_LINKLOCAL(
		    &((const struct sockaddr_in6 *)address)->sin6_addr))
		address_key_of_link_local(((const struct sockaddr_in6 *)address)
							  ->sin6_addr.s6_addr +
						  8,
					  key);
	if (network.family == AF_INET) {
		/* No IPv6 host has an address in 0:ff00::/32, so the keys of
		 * both families do not collide. */
		memcpy(key, "\0\0\xff\0", 4);
		memcpy(key + 4, network.bytes, 4);
	}
	return true;
}

/* No IPv6 host has an address in 0:fe00::/32, either. */
void address_key_of_user(uid_t uid, unsigned char key[ADDRESS_KEY_LEN])
{
	uint32_t number = (uint32_t)uid;

	memcpy(key, "\0\0\xfe\0", 4);
	memcpy(key + 4, &number, 4);
}

uint64_t address_key_hash(const unsigned char key[ADDRESS_KEY_LEN],
			  uint64_t seed)
{
	uint64_t hash;

	/* The last step of splitmix64, over key and seed. */
	memcpy(&hash, key, sizeof(hash));
	hash ^= seed;
	hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
	hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
	return hash ^ (hash >> 31);
}
