/* SPDX-License-Identifier: MIT */
/*
 * An upstream: one address, the connection to it, and the lines from it.
 * upstreams.c decides when it connects.
 */
#ifndef RELAY_UPSTREAM_H
#define RELAY_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "relay/address.h"
#include "relay/block.h"

struct relay;
struct relay_upstream;

struct relay_upstream_handlers {
	/* Connected; the preamble is queued. */
	void (*handle_connect)(struct relay_upstream *upstream);
	/* Lines were read. */
	void (*handle_lines)(struct relay_upstream *upstream);
	/* A line has ended while `leaving` is set. True: another upstream feeds
	 * now, and the connection of this one was dropped. */
	bool (*handle_line_end)(struct relay_upstream *upstream);
	/* The connection is closed, or could not be made. `why` is for the log,
	 * and valid until the handler returns. */
	void (*handle_close)(struct relay_upstream *upstream,
			     bool was_connected, const char *why);
};

struct relay_upstream {
	struct relay *relay;
	const struct relay_upstream_handlers *handlers;
	struct relay_address address;
	struct lined_socket *sock; /* NULL: not even connecting */
	bool connected;
	bool delivered; /* a line, on this or the last connection */
	bool leaving;   /* handle_line_end is to be called */
	uint64_t connected_ms, line_ms; /* when it connected; the last line */
	struct lined_timer stale, lag;
	char tag[LINED_HOST_MAX + 1]; /* "HOST " */
	size_t tag_len;
};

/* NULL/ENOMEM. */
struct relay_upstream *
relay_upstream_new(struct relay *relay, const struct relay_address *address,
		   const struct relay_upstream_handlers *handlers);
/* Drops the connection. */
void relay_upstream_free(struct relay_upstream *upstream);

/* Begins to connect. -1 and errno. */
int relay_upstream_connect(struct relay_upstream *upstream);

/* Closes at once; no handler is called. */
void relay_upstream_drop(struct relay_upstream *upstream);

/* Closes when the send queue is flushed; no handler is called. */
void relay_upstream_finish(struct relay_upstream *upstream);

/* Whether the peer still seems to be connected, without reading. */
bool relay_upstream_is_alive(const struct relay_upstream *upstream);

/* Whether the stream is between two lines. */
bool relay_upstream_is_between_lines(const struct relay_upstream *upstream);

/* From now on it feeds: it is read, and closed after stale-timeout without a
 * line. Also to be called after a reload, which may have changed the option. */
void relay_upstream_feed(struct relay_upstream *upstream);

/* Sends as many lines of a block as there is room for; returns their number. */
uint32_t relay_upstream_send(struct relay_upstream *upstream,
			     const struct relay_message *message);

/* Sets the limits of upstream connections. To be called after the config has
 * set the limits of the service's group. */
void relay_upstream_set_limits(struct relay *relay);

/* Starts a timer once; a failure is logged. */
void relay_upstream_start_timer(const struct relay *relay,
				struct lined_timer *timer, uint64_t delay_ms);

#endif
