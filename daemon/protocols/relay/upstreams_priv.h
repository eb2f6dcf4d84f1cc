/* SPDX-License-Identifier: MIT */
/*
 * The upstreams of a service, for upstreams.c, failover.c and lines_up.c.
 * Thread: the service's primary worker.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/timer.h>

#include "relay/handover.h"
#include "relay/unsent_lines.h"

struct lined_buffer;
struct lined_subscription;
struct relay;
struct relay_upstream;

struct relay_upstreams {
	struct relay *relay;
	struct relay_upstream **list; /* in the config's order */
	size_t count;
	bool all; /* all upstreams feed */
	int64_t retry_min_ms, retry_max_ms;
	struct lined_subscription *lines; /* lines of clients */
	/* Without `all`. feed: the upstream that feeds. next: a better
	 * upstream, which takes over when `feed` is between two lines. spare:
	 * the upstream that fed before. next and spare are connected and
	 * paused. NULL: none. */
	struct relay_upstream *feed, *next, *spare;
	struct relay_unsent hold; /* lines of clients that wait (up-hold) */
	/* Checks whether `next` can take over. At fail_back_ms `next` takes
	 * over in any case. */
	struct lined_timer fail_back;
	uint64_t fail_back_ms;
	struct lined_timer spare_timer; /* closes spare */
	struct relay_handover handover;
	/* While this instance leaves: checks whether all connections have
	 * ended. Before the first connection: checks whether the previous
	 * instance has left. */
	struct lined_timer leave_timer;
	struct relay_upstream *left; /* removed, perhaps still being read */
	uint64_t leave_ms; /* if handover.leaves: when open connections are
			    * dropped */
	/* With `all`: another upstream was given lines that came after those of
	 * `hold`. */
	bool passed;
	bool updating, finishing;
};

/* ---- failover.c: which upstreams are connected, and which one feeds ------ */

extern const struct relay_upstream_handlers relay_failover_handlers;

/* Prepares the timers. */
void relay_failover_init(struct relay_upstreams *upstreams);

/* Connects the upstreams that are to be connected now, disconnects the others,
 * and sends waiting lines. */
void relay_failover_update(struct relay_upstreams *upstreams);

/* Call this when the upstream is no longer in the list. */
void relay_failover_remove(struct relay_upstreams *upstreams,
			   struct relay_upstream *upstream);

/* Applies the option use. all: every upstream feeds. Otherwise one upstream
 * feeds, and the upstreams are tried in order. */
void relay_failover_set_all(struct relay_upstreams *upstreams, bool all);

/* From now on no upstream is connected again, and none takes over. */
void relay_failover_end(struct relay_upstreams *upstreams);

/* ---- lines_up.c: lines of clients ---------------------------------------- */

/* Gives a batch of clients' lines to the upstreams; a handler of the bus. */
void relay_lines_up_on_batch(void *arg, struct lined_buffer *buffer);

/* Sends waiting lines while there is room. True: lines still wait, and an
 * upstream that takes lines is open. */
bool relay_lines_up_send(struct relay_upstreams *upstreams);

/* Call this when a connection has ended. Lines that have not left wait again,
 * unless another upstream was already given later lines. Without up-hold they
 * are dropped. */
void relay_lines_up_return(struct relay_upstreams *upstreams,
			   struct relay_upstream *upstream);

/* Call this when `use` has changed: drops waiting lines if later lines have
 * been sent before them. */
void relay_lines_up_drop_passed(struct relay_upstreams *upstreams);
