/* SPDX-License-Identifier: MIT */
/*
 * Networks (192.0.2.0/24, 2001:db8::/32, a single address) and the access
 * rules made of them (lined.conf(5), access). Knows neither clients nor config
 * files.
 */
#ifndef NETWORK_H
#define NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct network {
	int family; /* AF_INET, AF_INET6 */
	unsigned prefix;
	uint8_t bytes[16]; /* 4 of them for AF_INET; no bits past the prefix */
};

enum network_status {
	NETWORK_OK,
	NETWORK_HOST_BITS, /* read, but bits past the prefix were cleared */
	NETWORK_BAD,
};

/* Reads text; of an address without a prefix, that address alone. */
enum network_status network_parse(const char *text, struct network *network);

/* IPv4 mapped into IPv6 counts as IPv4. False for UNIX and other families. */
bool network_contains(const struct network *network,
		      const struct sockaddr *address);

/* The network of the longest prefix among those that contain it; NULL: none
 * does. */
const struct network *network_longest(const struct network *networks,
				      size_t count,
				      const struct sockaddr *address);

/* "192.0.2.0/24"; of a single address, that alone. The text. */
#define NETWORK_TEXT_MAX 64
const char *network_format(const struct network *network, char *text,
			   size_t size);

bool network_equal(const struct network *a, const struct network *b);

struct access_rules {
	const struct network *allow;
	size_t allow_count;
	const struct network *deny;
	size_t deny_count;
	/* `allow` was written, though perhaps empty: the rest is refused. */
	bool has_allow;
};

/* Why an address may come in or not. */
struct access_ruling {
	bool allowed;
	/* What decided: an entry of allow or of deny; NULL: nothing matched. */
	const struct network *network;
};

/*
 * The longest prefix wins, deny wins a tie; with allow present the rest is
 * refused. UNIX clients are exempt.
 */
struct access_ruling access_rules_rule(const struct access_rules *rules,
				       const struct sockaddr *address);
bool access_rules_allow(const struct access_rules *rules,
			const struct sockaddr *address);

#endif
