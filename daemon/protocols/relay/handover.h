/* SPDX-License-Identifier: MIT */
/*
 * Hands the upstreams over between the instances of a service: a new instance
 * waits until the previous one has left them. Otherwise an upstream would have
 * two connections of this service while the last lines of the first connection
 * are read.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct lined_shared;
struct relay;

struct relay_handover {
	/* The number of instances of the service that are leaving. */
	struct lined_shared *leaving;
	uint64_t end_ms; /* end of the wait; 0: no wait */
	bool leaves;     /* this instance is one of them */
};

/* Opens the count of leaving instances. -1 and errno. */
int relay_handover_open(struct relay_handover *handover,
			const struct relay *relay);
void relay_handover_close(struct relay_handover *handover);

/* Whether to wait for the previous instance: for at most 2 s. After the first
 * false, every later call returns false. */
bool relay_handover_waits(struct relay_handover *handover,
			  const struct relay *relay);

/* Call this when this instance begins to leave. It has left at
 * relay_handover_close(). */
void relay_handover_leave(struct relay_handover *handover);
