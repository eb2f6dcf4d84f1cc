/* SPDX-License-Identifier: MIT */
/*
 * Connects a client of a transcript to a WebSocket server (RFC 6455). The
 * client's stream is one end of a socket pair. Each write of the client leaves
 * as a masked frame, a fragment of a message; a write that ends with LF ends
 * the message. Each message of the server becomes a line.
 */
#pragma once

#include <lined/dispatcher.h>

#include "linetest/net_address.h"

struct websocket_bridge;

/* Connects to the address. Returns the client's end, and the bridge in *bridge;
 * -1 and errno. connected(arg) is called when the upgrade has succeeded. */
int websocket_bridge_open(struct lined_dispatcher *d,
			  const struct net_address *address,
			  void (*connected)(void *arg), void *arg,
			  struct websocket_bridge **bridge);

/* Call it when the client closes its end. connected() is not called after that,
 * and the bridge is freed when both of its connections have ended. */
void websocket_bridge_leave(struct websocket_bridge *bridge);
