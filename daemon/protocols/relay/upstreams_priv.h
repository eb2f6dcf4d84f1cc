/* SPDX-License-Identifier: MIT */
/*
 * The upstreams of a service, for the files upstreams*.c. Thread: the
 * service's primary worker.
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
	struct relay_unsent hold;     /* lines of clients that wait (up-hold) */
	struct lined_timer hand_over; /* `next` takes over in any case */
	/* Fires when spare is no longer needed; while leaving: to check
	 * whether all have ended; before the first connection: to check whether
	 * the previous instance has left. */
	struct lined_timer leave;
	struct relay_upstream *left; /* removed, perhaps still being read */
	struct relay_handover handover;
	uint64_t leave_ms; /* if handover.leaves: when the rest is dropped */
	/* With `all`: an upstream has got lines that are later than those of
	 * `hold`. */
	bool passed;
	bool updating, finishing;
};

/* ---- lines_up.c: lines of clients ---------------------------------------- */

/* Gives a batch of clients' lines to the upstreams; of type lined_bus_handler.
 */
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
