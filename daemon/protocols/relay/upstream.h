/* SPDX-License-Identifier: MIT */
/*
 * An upstream: a connector, and the lines from it. The upstream is good once
 * one of its lines has passed the filter. failover.c decides whether its lines
 * are relayed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "relay/batch.h"
#include "relay/connector.h"

struct lined_records;
struct relay;
struct relay_upstream;

struct relay_upstream_handlers {
	/* A line has passed the filter while the upstream does not feed. True:
	 * relay_upstream_feed() was called. False: the upstream is paused and
	 * keeps this line. */
	bool (*handle_good)(struct relay_upstream *upstream);
	/* A line has ended while `leaving` is set. */
	void (*handle_line_end)(struct relay_upstream *upstream);
	/* Lines can be sent: the upstream has connected, or has room again. */
	void (*handle_room)(struct relay_upstream *upstream);
	/* See struct relay_connector_handlers. */
	void (*handle_unsent)(struct relay_upstream *upstream);
	/* The connection has ended, or could not be made. */
	void (*handle_close)(struct relay_upstream *upstream);
};

struct relay_upstream {
	struct relay_connector connector;
	const struct relay_upstream_handlers *handlers;
	bool feeds;              /* lines are relayed */
	bool waits;              /* paused by failover.c */
	bool leaving;            /* handle_line_end must be called */
	bool stale_fired, stale; /* stale: the last connection was stale */
	struct lined_line kept;  /* the first good line; text NULL: none */
	uint64_t line_ms;        /* when the last line passed the filter */
	uint64_t lines;          /* number of lines received */
	struct lined_timer stale_timer, lag;
	struct relay_upstream *next_left; /* relay_upstreams.left */
};

/* NULL/ENOMEM. */
struct relay_upstream *
relay_upstream_new(struct relay *relay, const struct relay_address *address,
		   const struct relay_upstream_handlers *handlers);
/* Drops the connection. */
void relay_upstream_free(struct relay_upstream *upstream);

/* Closes at once. Only handle_unsent is called. */
void relay_upstream_stop(struct relay_upstream *upstream);

/* Closes the connection after flushing the send queue. If the upstream feeds,
 * its last lines are read first. Only handle_unsent is called. */
void relay_upstream_finish(struct relay_upstream *upstream);

/* Whether the stream is between two lines. */
bool relay_upstream_is_between_lines(const struct relay_upstream *upstream);

/* Relays the upstream's lines from now on, first the kept line. */
void relay_upstream_feed(struct relay_upstream *upstream);

/* Stops reading: lines wait in the kernel. */
void relay_upstream_wait(struct relay_upstream *upstream);

/* Applies changed options. */
void relay_upstream_reload(struct relay_upstream *upstream);

/* Sends as many lines of a batch as there is room for; returns how many. */
uint32_t relay_upstream_send(struct relay_upstream *upstream,
			     const struct relay_message *message);

/* Adds an `upstream` record. */
void relay_upstream_describe(const struct relay_upstream *upstream,
			     struct lined_records *records);
