/* SPDX-License-Identifier: MIT */
/*
 * Access rules: which networks may connect (lined.conf(5), access). Works on
 * addresses only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include <lined/address.h>

struct access_rules {
	const struct lined_network *allow;
	size_t allow_count;
	const struct lined_network *deny;
	size_t deny_count;
	/* `allow` is set, perhaps to an empty list: addresses that match no
	 * entry are refused. */
	bool has_allow;
};

/* Whether an address may connect, and why. */
struct access_ruling {
	bool allowed;
	/* The entry of allow or deny that decided; NULL: none matched. */
	const struct lined_network *network;
};

/* The entry with the longest prefix decides; between equal prefixes, deny wins.
 * An address that no entry matches is refused if allow is set. UNIX clients are
 * always allowed. */
struct access_ruling access_rules_rule(const struct access_rules *rules,
				       const struct sockaddr *address);
bool access_rules_allow(const struct access_rules *rules,
			const struct sockaddr *address);
