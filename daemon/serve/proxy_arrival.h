/* SPDX-License-Identifier: MIT */
/*
 * A connection from an address of `proxy-from` that waits for its PROXY header.
 * Main thread: access and limits depend on the header, and are decided before
 * the client gets to a worker.
 */
#pragma once

struct client_arrival;
struct service;

/*
 * Reads the header within handshake-timeout, then calls `ready`, perhaps within
 * this call. arrival->address is then the address in the header, or the proxy's
 * address if the header says LOCAL; arrival->via has the proxy's address. A
 * connection without a header is closed, counted and logged; on a WebSocket
 * address, `ready` is called with arrival->forwarded set instead. Takes
 * ownership of the descriptor and of the counted handshake.
 */
void proxy_arrival_start(struct service *service,
			 const struct client_arrival *arrival,
			 void (*ready)(struct service *service,
				       struct client_arrival *arrival));

/* Closes all connections of the service that wait for a header. */
void proxy_arrivals_close(struct service *service);
