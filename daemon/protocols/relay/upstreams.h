/* SPDX-License-Identifier: MIT */
/*
 * Mode upstream: the upstreams of a service. Runs on the primary worker.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct lined_records;
struct relay;
struct relay_upstreams;

/* The bus topic of lines that go to the upstreams. */
#define RELAY_UP "up"

/* Starts on the primary worker of a service in mode upstream; does nothing
 * elsewhere. -1: failed and logged. */
int relay_upstreams_start(struct relay *relay);
void relay_upstreams_stop(struct relay *relay);

/* Applies changed options. If the mode has changed, or this instance has become
 * or ceased to be primary, starts the upstreams, or ends them after their last
 * lines. */
void relay_upstreams_reload(struct relay *relay);

/* Closes the connections after reading their last lines and sending the lines
 * that wait. Call this when no client is left, repeatedly until it returns
 * true. True: all connections are closed. */
bool relay_upstreams_finish(struct relay *relay);

/* Drops about `bytes` of the oldest waiting lines, because memory is short. */
void relay_upstreams_give_up(struct relay *relay, uint64_t bytes);

/* Adds an `upstream` record for each upstream. */
void relay_upstreams_describe(const struct relay *relay,
			      struct lined_records *records);
