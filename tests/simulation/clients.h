/* SPDX-License-Identifier: MIT */
/*
 * The kinds of clients.
 */
#ifndef CLIENTS_H
#define CLIENTS_H

#include "peer.h"

extern const struct peer_kind echo_client_kind;
/* Of a relay in mode hub. */
extern const struct peer_kind hub_client_kind;
extern const struct peer_kind chat_client_kind;

#endif
