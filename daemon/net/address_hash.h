/* SPDX-License-Identifier: MIT */
/*
 * The key of an address in hash tables. IPv4 addresses, IPv6 /64 networks and,
 * with few exceptions, link-local addresses have keys of their own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/* False: not an IP address. Such clients are not counted by address. */
bool address_hash_key(const struct sockaddr *address, uint64_t *key);

/* The key of a local user. No address has the same key. */
uint64_t address_hash_key_of_user(uid_t uid);

/* A hash of a key. A client that does not know the seed cannot choose keys that
 * collide. */
uint64_t address_hash(uint64_t key, uint64_t seed);
