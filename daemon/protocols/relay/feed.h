/* SPDX-License-Identifier: MIT */
/*
 * The feed: from the bus through dedupe and history to the clients of this
 * worker, its members.
 */
#ifndef RELAY_FEED_H
#define RELAY_FEED_H

struct relay;
struct relay_client;

/* Subscribes. -1: cannot, logged. */
int relay_feed_start(struct relay *relay);
void relay_feed_stop(struct relay *relay);

/* The options have changed. -1: cannot, logged, and the feed is as before. */
int relay_feed_reload(struct relay *relay);

/* A client joins: it gets the history, then the feed, unless clients only
 * publish. */
void relay_feed_join(struct relay *relay, struct relay_client *client);
void relay_feed_leave(struct relay *relay, struct relay_client *client);

/* The client's queue is low again: sends the gap-notice for the lines that it
 * has lost. Where the queue might drop the notice, the next call does. */
void relay_feed_send_notice(struct relay_client *client);

#endif
