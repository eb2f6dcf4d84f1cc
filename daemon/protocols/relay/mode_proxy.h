/* SPDX-License-Identifier: MIT */
/* Mode proxy: each client has its own upstream connection. */
#pragma once

#include <stdbool.h>

#include <lined/protocol.h>
#include <lined/socket.h>

struct relay;
struct relay_pair;

void relay_proxy_accept(struct relay *relay, struct lined_socket *client);

/* The most memory of a client in this mode, in addition to its socket and send
 * queue. The queues of client and upstream are filled to a quarter each:
 * together less than the send queue. */
uint64_t relay_proxy_pair_max(const struct lined_option_list *upstreams);

/* Call this when the service drains. Half-closes the connection to the
 * upstream, and closes the client when the upstream has ended. A client without
 * such a connection is closed at once. */
void relay_proxy_drain(struct relay_pair *pair);

/* Applies changed limits to the connections to upstreams. */
void relay_proxy_reload(const struct relay *relay);

/* Call this when no client is left. True: no connection to an upstream is left.
 */
bool relay_proxy_finish(const struct relay *relay);

/* Closes every connection at once. */
void relay_proxy_stop(struct relay *relay);
