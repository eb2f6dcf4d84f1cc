/* SPDX-License-Identifier: MIT */
/*
 * Mode proxy: each client has an upstream connection of its own.
 */
#pragma once

#include <stdbool.h>

#include <lined/protocol.h>
#include <lined/socket.h>

struct relay;
struct relay_pair;

void relay_proxy_accept(struct relay *relay, struct lined_socket *client);

/* The most memory of a client in this mode, beside its own socket and its send
 * queue. The queues of both sockets are filled to a quarter, and are less than
 * that queue together. */
uint64_t relay_proxy_pair_max(const struct lined_option_list *upstreams);

/* The service drains: half-closes to the upstream, and closes the client when
 * the upstream has ended. */
void relay_proxy_drain(struct relay_pair *pair);

/* To be called when no client is left. True: the upstreams have received all
 * data. */
bool relay_proxy_finish(const struct relay *relay);

/* Closes every connection at once. */
void relay_proxy_stop(struct relay *relay);
