/* SPDX-License-Identifier: MIT */
/*
 * The feed: delivers lines from the bus to the clients of this worker, its
 * members, and keeps the last ones for newcomers.
 */
#pragma once

#include <stdint.h>

struct relay;
struct relay_client;

/* Subscribes. -1: failed, and logged. */
int relay_feed_start(struct relay *relay);
void relay_feed_stop(struct relay *relay);

/* Applies changed options. On failure, which is logged, the old feed stays. */
void relay_feed_reload(struct relay *relay);

/* Memory is short: drops the oldest lines of the history, about so many bytes;
 * returns how many. */
uint64_t relay_feed_give_up(struct relay *relay, uint64_t bytes);

/* A client joins: it gets the history, then the feed, unless clients only
 * publish. */
void relay_feed_join(struct relay *relay, struct relay_client *client);
void relay_feed_leave(struct relay *relay, struct relay_client *client);

/* Sends the gap-notice when the client's send queue is low again. If the queue
 * could drop the notice, a later call sends it. */
void relay_feed_send_notice(struct relay_client *client);

/* Counts the lines that the client's send queue has dropped. */
void relay_feed_count_dropped(struct relay_client *client);
