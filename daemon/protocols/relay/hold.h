/* SPDX-License-Identifier: MIT */
/*
 * The option hold: lines that have no reader wait for the first one. One
 * instance of a feed is the holder. Blocks are sent to it, and it passes them
 * on to the feed or holds them.
 */
#ifndef RELAY_HOLD_H
#define RELAY_HOLD_H

#include <stdint.h>

#include "relay/block.h"

struct relay;
struct relay_client;
struct relay_hold;

/* -1: cannot, logged. */
int relay_hold_start(struct relay *relay);
void relay_hold_stop(struct relay *relay);

/* Applies a changed option hold. -1: failed, and logged. */
int relay_hold_reload(struct relay *relay);

/* To be called when clients have joined or left the feed on this worker: the
 * holder must know. */
void relay_hold_members_changed(struct relay *relay);

/* Publishes a block to the feed, through the holder if there is one. */
void relay_hold_publish(struct relay *relay, struct lined_buffer *buffer,
			uint32_t lines);

/* The client of this worker that gets a block which the holder addressed to one
 * instance. NULL: it is for another instance, or was sent back. */
struct relay_client *relay_hold_reader(struct relay *relay,
				       const struct relay_message *message);

#endif
