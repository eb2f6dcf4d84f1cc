/* SPDX-License-Identifier: MIT */
/*
 * The kinds of peers, one for each kind of service.
 */
#pragma once

#include "peer.h"

extern const struct peer_kind echo_client_kind;
/* A client of a relay in mode hub. */
extern const struct peer_kind hub_client_kind;
extern const struct peer_kind chat_client_kind;
/* A client of a relay in mode upstream, and the upstream. */
extern const struct peer_kind feed_client_kind, upstream_kind;
/* A client of a relay in mode proxy, and the server behind it. */
extern const struct peer_kind gate_client_kind, echo_server_kind;
