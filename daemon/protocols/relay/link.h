/* SPDX-License-Identifier: MIT */
/*
 * A link: the connection to one configured address, made again whenever it
 * ends. A name may have several addresses: each is tried once in a round, and
 * rounds are repeated with back-off. The owner embeds it, reads from it and
 * decides when it is good.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "relay/address.h"

struct relay;
struct relay_link;
struct relay_pending_block;

/* How often a link that is finishing is checked for its end. */
#define RELAY_END_STEP_MS 10

/* The owner of a link sets these: one table for all links of a kind. */
struct relay_link_handlers {
	const char *kind; /* "upstream", for the log */
	/* The names of counters. */
	const char *connects, *losses, *failures;
	/* The lines to be sent first. */
	const struct lined_option_list *(*preamble)(
		const struct relay_link *link);
	/* Connected, and the preamble is queued. */
	void (*handle_connect)(struct relay_link *link);
	void (*handle_read)(struct relay_link *link);
	/* See relay_link_send(). NULL: not called. */
	void (*handle_write)(struct relay_link *link);
	/* A connection has ended, in whichever way, and lines that it was given
	 * may not have left: the owner calls relay_pending_return(). It comes
	 * before handle_close. */
	void (*handle_unsent)(struct relay_link *link);
	/* A connection has ended, or could not be made; the link waits now, or
	 * tries the next address. */
	void (*handle_close)(struct relay_link *link, bool was_connected);
};

enum relay_link_state {
	RELAY_LINK_IDLE,       /* not started */
	RELAY_LINK_CONNECTING, /* or its name is looked up */
	RELAY_LINK_CONNECTED,
	RELAY_LINK_WAITING,   /* for the next round */
	RELAY_LINK_FINISHING, /* see relay_link_finish(), relay_link_read_out()
			       */
};

/* An address to connect to; of a name there are several. */
struct relay_link_target {
	struct lined_address to; /* len 0: a kind without socket addresses */
	unsigned failures;       /* since it was last good for retry-max */
	bool tried;              /* in this round */
};

struct relay_link {
	struct relay *relay;
	const struct relay_link_handlers *handlers;
	struct relay_address address;
	enum relay_link_state state;
	struct lined_socket *sock; /* NULL: not even connecting */
	struct lined_lookup *lookup;
	struct relay_link_target *targets;
	size_t target_count, target; /* target: the one that was tried last */
	unsigned failures;           /* rounds, or connections that were not
				      * good for retry-max */
	bool wasted;  /* the last one was made, but not good for retry-max */
	bool patient; /* set by the owner: another link is good */
	uint64_t good_ms;         /* since when it is good; 0: it is not */
	uint64_t connected_ms;    /* when it connected */
	uint64_t state_ms;        /* since when it is in this state */
	uint64_t due_ms;          /* when it waits: the next round */
	struct lined_timer retry; /* the next round; the end of a lookup, and of
				   * reading out */
	uint32_t flush_ms;        /* how long its last lines may take; the
				   * owner may set it */
	uint64_t connects;        /* connections made */
	uint64_t preamble_bytes, sent_bytes; /* see relay_link_sent() */
	/* Lines that were given to this connection: see pending.h. */
	struct relay_pending_block *given, *given_last;
	char reached[LINED_ADDRESS_TEXT_MAX]; /* the last address tried; "" */
	char error[120];                      /* of the last failure; "" */
};

/* Fills a zeroed link; it is idle. */
void relay_link_init(struct relay_link *link, struct relay *relay,
		     const struct relay_address *address,
		     const struct relay_link_handlers *handlers);
/* Drops the connection and frees what the link has. */
void relay_link_fini(struct relay_link *link);

/* Keeps the link connected from now on. An idle link that has failed before
 * does not begin a round earlier than it would have. */
void relay_link_start(struct relay_link *link);

/* Back to idle, at once; no handler but handle_unsent is called. */
void relay_link_stop(struct relay_link *link);

/* Idle when the send queue is flushed; no handler but handle_unsent is
 * called. */
void relay_link_finish(struct relay_link *link);

/* The same, but first reads what the other end has sent, for at most 1 s. */
void relay_link_read_out(struct relay_link *link);

/* To be called when retry-min or retry-max has changed: the wait begins anew.
 */
void relay_link_retry_changed(struct relay_link *link);

/* To be called for each good line: the first one makes the link good. */
void relay_link_good(struct relay_link *link);

/*
 * Sends bytes of a shared buffer if there is room: up to the service's
 * send-queue, or if nothing is queued, any number. False: not now, and
 * handle_write is called when there is room.
 */
bool relay_link_send(struct relay_link *link, struct lined_buffer *buffer,
		     size_t offset, size_t len);

/* Bytes after the preamble that have left on this connection, or on the one
 * that has ended if it is not connected. */
uint64_t relay_link_sent(const struct relay_link *link);

/* Bytes after the preamble that have left on this connection or are queued. */
uint64_t relay_link_given(const struct relay_link *link);

static inline bool relay_link_connected(const struct relay_link *link)
{
	return link->state == RELAY_LINK_CONNECTED;
}

#define RELAY_LINK_TEXT_MAX 2048

/* Writes "tcp://host:7", and " (192.0.2.1:7)" if it is a name that was looked
 * up. Returns text. */
const char *relay_link_text(const struct relay_link *link,
			    char text[RELAY_LINK_TEXT_MAX]);

/* Starts a timer once; a failure is logged. */
void relay_link_start_timer(const struct relay *relay,
			    struct lined_timer *timer, uint64_t delay_ms);
