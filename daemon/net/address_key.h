/* SPDX-License-Identifier: MIT */
/*
 * The key of an address in tables: an IPv4 address, an IPv6 /64, or a
 * link-local address, each counts as one. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define ADDRESS_KEY_LEN 8

/* False: clients of this address, over UNIX sockets, are not counted by
 * address. */
bool address_key(const struct sockaddr *address,
		 unsigned char key[ADDRESS_KEY_LEN]);

/* A user of this machine, who differs from all addresses. */
void address_key_of_user(uid_t uid, unsigned char key[ADDRESS_KEY_LEN]);

/* A hash of a key. Nobody who does not know the seed can choose keys with one
 * hash. */
uint64_t address_key_hash(const unsigned char key[ADDRESS_KEY_LEN],
			  uint64_t seed);
