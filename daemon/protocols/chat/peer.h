/* SPDX-License-Identifier: MIT */
/*
 * Where a client comes from, held against a list of networks. Pure functions
 * of text.
 */
#ifndef CHAT_PEER_H
#define CHAT_PEER_H

#include <stdbool.h>

#include <lined/protocol.h>

/* "192.0.2.0/24", "2001:db8::1" or "unix". */
bool chat_peer_is_network(const char *text);

/* peer as lined_client_peer() writes it. */
bool chat_peer_is_in(const char *peer, const char *network);

/* An empty list takes everyone. */
bool chat_peer_is_in_list(const char *peer,
			  const struct lined_option_list *networks);

#endif
