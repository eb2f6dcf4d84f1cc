/* SPDX-License-Identifier: MIT */
/*
 * With up-hold: lines of clients for the upstream. They wait until an upstream
 * is connected. Lines that do not leave on its connection go to the next one;
 * dropped lines are counted as upstream_down.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/unsent_lines.h"

struct relay;
struct relay_upstream;

/* A zeroed and started struct holds no lines. */
struct relay_up_hold {
	struct relay *relay;
	struct relay_unsent lines;
};

void relay_up_hold_start(struct relay_up_hold *hold, struct relay *relay);
/* Drops all lines. */
void relay_up_hold_stop(struct relay_up_hold *hold);

/* Adds a batch, then sends. Without memory, a batch that would pass waiting
 * lines is dropped. -1: no up-hold, or a source, or no memory and nothing
 * waits: the caller must send the batch. */
int relay_up_hold_add(struct relay_up_hold *hold,
		      const struct relay_message *message,
		      struct relay_upstream *target);

/* Gives lines to the target (NULL: none) while it has room. At most up-hold
 * bytes stay waiting. */
void relay_up_hold_send(struct relay_up_hold *hold,
			struct relay_upstream *target);

/* Whether lines wait that no upstream was given. */
bool relay_up_hold_waits(const struct relay_up_hold *hold);

/* An upstream's connection has ended: lines that have not left on it wait
 * again, unless the next upstream was given later ones. */
void relay_up_hold_return(struct relay_up_hold *hold,
			  struct relay_upstream *upstream);

/* Drops about `bytes` of the oldest waiting lines. */
void relay_up_hold_give_up(struct relay_up_hold *hold, uint64_t bytes);
