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
	/* Without `all`. feed: the upstream that feeds. next: a better upstream
	 * that waits until `feed` has ended a line. spare: the upstream that
	 * fed before. next and spare are connected and paused. NULL: none. */
	struct relay_upstream *feed, *next, *spare;
	struct relay_unsent hold; /* lines of clients that wait (up-hold) */
	/* To check whether `next` can take over; at fail_back_ms it does in any
	 * case. */
	struct lined_timer fail_back;
	uint64_t fail_back_ms;
	struct lined_timer spare_timer; /* spare is no longer needed */
	struct relay_handover handover;
	/* While leaving: to check whether all have ended. Before the first
	 * connection: to check whether the previous instance has left. */
	struct lined_timer leave_timer;
	struct relay_upstream *left; /* removed, perhaps still being read */
	uint64_t leave_ms; /* if handover.leaves: when the rest is dropped */
	/* With `all`: an upstream has got lines that are later than those of
	 * `hold`. */
	bool passed;
	bool updating, finishing;
};

/* ---- failover.c: which upstreams are connected, and which one feeds ------ */

extern const struct relay_upstream_handlers relay_failover_handlers;

/* Prepares the timers. */
void relay_failover_init(struct relay_upstreams *upstreams);

/* Connects the upstreams that are to be connected now. */
void relay_failover_update(struct relay_upstreams *upstreams);

/* The upstream is not in the list any more. */
void relay_failover_remove(struct relay_upstreams *upstreams,
			   struct relay_upstream *upstream);

/* The option use: either no upstream is better than another, or they are tried
 * in order. */
void relay_failover_set_all(struct relay_upstreams *upstreams, bool all);

/* From now on no upstream is connected again, and none takes over. */
void relay_failover_end(struct relay_upstreams *upstreams);

/* ---- lines_up.c: lines of clients ---------------------------------------- */

/* Gives a batch of clients' lines to the upstreams; a handler of the bus. */
void relay_lines_up_on_batch(void *arg, struct lined_buffer *buffer);

/* Sends lines that wait, as far as there is room. True: some still wait for an
 * open upstream. */
bool relay_lines_up_send(struct relay_upstreams *upstreams);

/* A connection has ended: lines that have not left on it wait again, unless the
 * next upstream was given later ones. */
void relay_lines_up_return(struct relay_upstreams *upstreams,
			   struct relay_upstream *upstream);

/* `use` has changed: drops lines that would come behind later ones. */
void relay_lines_up_drop_passed(struct relay_upstreams *upstreams);
