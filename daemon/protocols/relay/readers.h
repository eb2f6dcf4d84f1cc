/* SPDX-License-Identifier: MIT */
/*
 * Delivers the feed (lines from the bus) to the clients of this worker, and
 * keeps its last lines for new clients.
 */
#pragma once

#include <stdint.h>

struct relay;
struct relay_client;

/* Subscribes to the feed. -1: failed and logged. */
int relay_readers_start(struct relay *relay);
void relay_readers_stop(struct relay *relay);

/* Applies changed options. After a failure, which is logged, the old feed
 * stays. */
void relay_readers_reload(struct relay *relay);

/* Drops about `bytes` of the oldest lines in the history, because memory is
 * short; returns how many bytes. */
uint64_t relay_readers_give_up(struct relay *relay, uint64_t bytes);

/* Adds a client. Sends it the history, then the feed, unless clients only
 * publish. */
void relay_readers_join(struct relay *relay, struct relay_client *client);
void relay_readers_leave(struct relay *relay, struct relay_client *client);
