/* SPDX-License-Identifier: MIT */
/*
 * With up-hold: lines of clients on their way up. They wait until an upstream
 * is connected. What does not leave on its connection goes to the next one;
 * lines that are dropped are counted as upstream_down.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "relay/pending.h"

struct relay;
struct relay_upstream;

/* Zeroed memory, once it was started, holds no lines. */
struct relay_up_hold {
	struct relay *relay;
	struct relay_pending lines;
};

void relay_up_hold_start(struct relay_up_hold *hold, struct relay *relay);
/* Drops all lines. */
void relay_up_hold_stop(struct relay_up_hold *hold);

/* Adds a block, then sends. -1: there is no up-hold, or no memory, and the
 * block is the caller's to send. */
int relay_up_hold_add(struct relay_up_hold *hold,
		      const struct relay_message *message,
		      struct relay_upstream *target);

/* Gives lines to the target, while it has room; NULL: there is none. At most
 * up-hold bytes wait on. */
void relay_up_hold_send(struct relay_up_hold *hold,
			struct relay_upstream *target);

/* The connection of an upstream has ended: what has not left on it waits
 * again. */
void relay_up_hold_return(struct relay_up_hold *hold,
			  struct relay_upstream *upstream);

/* Drops the oldest lines that wait, about so many bytes. */
void relay_up_hold_give_up(struct relay_up_hold *hold, uint64_t bytes);
