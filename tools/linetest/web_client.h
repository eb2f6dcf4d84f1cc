/* SPDX-License-Identifier: MIT */
/*
 * A client of WebSocket (RFC 6455): one end of a socket pair is the actor's
 * stream; bytes of the actor leave in masked frames, and each message of the
 * server becomes a line. A message begins with a line and ends with its LF;
 * each write in between is a fragment of it.
 */
#pragma once

#include <lined/dispatcher.h>

#include "linetest/net_address.h"

struct web_client;

/* Connects to the address. Returns the actor's end, and the client in *client;
 * -1 and errno. connected(arg) is called when the upgrade is over. */
int web_client_open(struct lined_dispatcher *d,
		    const struct net_address *address, unsigned timeout_ms,
		    void (*connected)(void *arg), void *arg,
		    struct web_client **client);

/* The actor has closed its end: connected() is not called any more, and the
 * client is freed when its connection has ended. */
void web_client_leave(struct web_client *client);
