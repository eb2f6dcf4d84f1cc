/* SPDX-License-Identifier: MIT */
/*
 * A connection to an upstream, or one in the making.
 */
#ifndef RELAY_LINK_H
#define RELAY_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/address.h"
#include "relay/block.h"

struct relay;
struct relay_upstreams;

struct relay_link {
	struct relay_upstreams *upstream;
	struct lined_socket *sock; /* NULL: neither */
	size_t address;            /* which of the upstream's */
	uint64_t stood_ms;         /* since when */
	bool stands;
	bool delivered; /* a line at least */
};

/* Begins to connect; the link is the handlers' argument. -1 and errno. */
int relay_link_open(struct relay_link *link, const struct relay *relay,
		    const struct relay_address *address,
		    const struct lined_socket_handlers *handlers);
/* Makes the limits that the config has just given the group those of links. */
void relay_link_limit(struct lined_socket_group *group);
/* Closes it without a word: none of its handlers is called any more. */
void relay_link_drop(struct relay_link *link);
/* It was closed. */
void relay_link_gone(struct relay_link *link);
/* Each line with the end that the config has for lines. -1 and errno. */
int relay_link_send_preamble(const struct relay_link *link,
			     const struct lined_option_list *preamble);
/* Sends the lines of a block that there is room for; how many they were. */
uint32_t relay_link_send(struct relay_link *link,
			 const struct relay_message *message);

#endif
