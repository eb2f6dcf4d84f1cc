/* SPDX-License-Identifier: MIT */
/*
 * The key of an address in hash tables. There is one key for each IPv4 address,
 * each IPv6 /64 and each link-local address. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define ADDRESS_KEY_LEN 8

/* False: not an IP address; such clients are not counted by address. */
bool address_key(const struct sockaddr *address,
		 unsigned char key[ADDRESS_KEY_LEN]);

/* The key of a local user; no address has the same key. */
void address_key_of_user(uid_t uid, unsigned char key[ADDRESS_KEY_LEN]);

/* A hash of a key. A client that does not know the seed cannot choose keys that
 * collide. */
uint64_t address_key_hash(const unsigned char key[ADDRESS_KEY_LEN],
			  uint64_t seed);
