/* SPDX-License-Identifier: MIT */
/*
 * An upstream: one address, the connection to it, and what comes from there.
 * Connects when it is told to; whether that is needed is decided in
 * upstreams.c.
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
	/* Connected; the preamble is on its way. */
	void (*handle_connect)(struct relay_upstream *upstream);
	/* Lines have come. */
	void (*handle_lines)(struct relay_upstream *upstream);
	/* A line has ended while `leaving` is set. True: another upstream feeds
	 * now, and this one was dropped. */
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
	uint64_t connected_ms, line_ms; /* when it was, and the last line */
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

/* Closes without a handler being called. */
void relay_upstream_drop(struct relay_upstream *upstream);

/* Closes, again without a handler, once what is queued has been sent. */
void relay_upstream_finish(struct relay_upstream *upstream);

/* Connected, and as far as is known without reading, the peer is there. */
bool relay_upstream_is_alive(const struct relay_upstream *upstream);

/* No line has begun that has not ended. */
bool relay_upstream_is_between_lines(const struct relay_upstream *upstream);

/* It feeds from now on: reads, and closes after stale-timeout without a line.
 * The option may have changed. */
void relay_upstream_feed(struct relay_upstream *upstream);

/* Sends the lines of a block that there is room for; returns how many. */
uint32_t relay_upstream_send(struct relay_upstream *upstream,
			     const struct relay_message *message);

/* Sets the limits of upstream connections, after the config has set those of
 * the service's group. */
void relay_upstream_set_limits(struct relay *relay);

/* Starts a timer once; a failure is logged. */
void relay_upstream_start_timer(const struct relay *relay,
				struct lined_timer *timer, uint64_t delay_ms);

#endif
