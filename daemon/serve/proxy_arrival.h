/* SPDX-License-Identifier: MIT */
/*
 * A connection from an address of `proxy-from`, until its PROXY header has
 * come. Main thread: a header decides about access and limits before the client
 * gets to a worker.
 */
#pragma once

struct client_arrival;
struct service;

/*
 * Reads the header, within handshake-timeout, then calls `ready` with the
 * header's address in place of the proxy's, and with the proxy's in
 * arrival->via; perhaps within this call. Without a header the connection is
 * closed, counted and logged, except on an address for WebSocket, where
 * arrival->forwarded is set then. Takes the descriptor and the handshake that
 * was counted.
 */
void proxy_arrival_start(struct service *service,
			 const struct client_arrival *arrival,
			 void (*ready)(struct service *service,
				       struct client_arrival *arrival));

/* Closes all of the service that wait for a header. */
void proxy_arrivals_close(struct service *service);
