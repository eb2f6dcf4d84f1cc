/* SPDX-License-Identifier: MIT */
/* Decides whether an address may connect, by the networks in the config. */
#include "config.h"

#include "net/access_rules.h"

struct access_ruling access_rules_rule(const struct access_rules *rules,
				       const struct sockaddr *address)
{
	struct access_ruling ruling = {.allowed = true};
	const struct lined_network *allowed, *denied;

	if (address->sa_family == AF_UNIX)
		return ruling;
	allowed = lined_network_longest(rules->allow, rules->allow_count,
					address);
	denied = lined_network_longest(rules->deny, rules->deny_count, address);
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
