/* SPDX-License-Identifier: MIT */
/*
 * Mode upstream: which of the configured addresses feeds the service. Lives on
 * the primary worker.
 */
#ifndef RELAY_UPSTREAMS_H
#define RELAY_UPSTREAMS_H

#include <stdbool.h>

struct relay;
struct relay_upstreams;

/* Does nothing but on the primary worker of a service in mode upstream. -1:
 * cannot, logged. */
int relay_upstreams_start(struct relay *relay);
void relay_upstreams_stop(struct relay *relay);

/* The mode, the addresses or the times may have changed. */
void relay_upstreams_reload(struct relay *relay);

/* No client is left: closes the connection once it has taken what they said.
 * True: it is closed, or there is none. */
bool relay_upstreams_finish(struct relay *relay);

#endif
