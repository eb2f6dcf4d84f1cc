/* SPDX-License-Identifier: MIT */
/*
 * Makes keys of eight bytes. The key of an IPv6 address is the address's first
 * eight bytes. The keys of IPv4 addresses and users are bytes with which no
 * IPv6 address begins. The keys of link-local addresses are made from the
 * interface identifier.
 */
#include "config.h"

#include "net/address_hash.h"

#include <netinet/in.h>
#include <string.h>

#include <lined/address.h>

/* A key for an IPv4 address (tag 0xff) or a user (0xfe). No IPv6 host has an
 * address in 0:ff00::/32 or 0:fe00::/32, so these keys do not collide with
 * those of IPv6 addresses. */
static uint64_t address_hash_tagged(unsigned char tag, uint32_t number)
{
	unsigned char bytes[8] = {0, 0, tag, 0};
	uint64_t key;

	memcpy(bytes + 4, &number, sizeof(number));
	memcpy(&key, bytes, sizeof(key));
	return key;
}

/* All hosts of a link share fe80::/64, so the key of a link-local address is
 * fe80 and 48 bits made from the interface identifier: usually the bits of the
 * MAC address. */
static void address_hash_link_local(const struct in6_addr *address,
				    unsigned char bytes[8])
{
	const unsigned char *id = address->s6_addr + 8;

	memcpy(bytes + 2, id, 3);
	memcpy(bytes + 5, id + 5, 3);
	bytes[3] ^= id[3];
	bytes[4] ^= id[4];
}

bool address_hash_key(const struct sockaddr *address, uint64_t *key)
{
	const struct sockaddr_in6 *in6 = (const void *)address;
	struct lined_network network;
	uint32_t number;

	if (!lined_network_of(&network, address, 32, 64))
		return false;
	if (network.family == AF_INET) {
		memcpy(&number, network.bytes, sizeof(number));
		*key = address_hash_tagged(0xff, number);
		return true;
	}
	if (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
		address_hash_link_local(&in6->sin6_addr, network.bytes);
	memcpy(key, network.bytes, sizeof(*key));
	return true;
}

uint64_t address_hash_key_of_user(uid_t uid)
{
	return address_hash_tagged(0xfe, (uint32_t)uid);
}

/* The last step of splitmix64, over key and seed. */
uint64_t address_hash(uint64_t key, uint64_t seed)
{
	uint64_t hash = key ^ seed;

	hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
	hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
	return hash ^ (hash >> 31);
}
