/* SPDX-License-Identifier: MIT */
/*
 * A link: the connection to one configured address, made again whenever it
 * ends. A name may have several addresses: each is tried once in a round, and
 * rounds are repeated with back-off. The link is part of its owner's struct;
 * the owner reads from it and decides when it is good.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "relay/address.h"

struct relay;
struct relay_link;
struct relay_pending_block;

/* The interval between checks whether a finishing link has ended. */
#define RELAY_END_STEP_MS 10

/* Set by the owner of a link: one table for all links of a kind. */
struct relay_link_handlers {
	const char *kind; /* "upstream", for the log */
	/* The names of counters. */
	const char *connects, *losses, *failures;
	/* The lines to send first. */
	const struct lined_option_list *(*preamble)(
		const struct relay_link *link);
	/* The link is connected, and the preamble is queued. */
	void (*handle_connect)(struct relay_link *link);
	void (*handle_read)(struct relay_link *link);
	/* There is room: see relay_link_send(). NULL: not called. */
	void (*handle_write)(struct relay_link *link);
	/* A connection has ended, for any reason, and may not have sent all
	 * lines given to it: the owner must call relay_pending_return(). Called
	 * before handle_close. */
	void (*handle_unsent)(struct relay_link *link);
	/* A connection has ended, or could not be made; the link is waiting, or
	 * tries the next address. */
	void (*handle_close)(struct relay_link *link, bool was_connected);
};

enum relay_link_state {
	RELAY_LINK_IDLE,       /* not started */
	RELAY_LINK_CONNECTING, /* also while the name is looked up */
	RELAY_LINK_CONNECTED,
	RELAY_LINK_WAITING,   /* until the next round */
	RELAY_LINK_FINISHING, /* see relay_link_finish(), relay_link_read_out()
			       */
};

/* An address to connect to; a name may have several. */
struct relay_link_target {
	struct lined_address to; /* len 0: a kind without socket addresses */
	unsigned failures;       /* failures since it was good for retry-max */
	bool tried;              /* was tried in this round */
};

struct relay_link {
	struct relay *relay;
	const struct relay_link_handlers *handlers;
	struct relay_address address;
	enum relay_link_state state;
	struct lined_socket *sock; /* NULL: not even connecting */
	struct lined_lookup *lookup;
	struct relay_link_target *targets;
	size_t target_count, target; /* target: the one tried last */
	unsigned failures;           /* rounds without a connection good for
				      * retry-max */
	bool wasted;      /* the last connection was not good for retry-max */
	bool patient;     /* set by the owner: another link is good */
	uint64_t good_ms; /* when the link became good; 0: not good */
	uint64_t connected_ms; /* when it last connected */
	uint64_t state_ms;     /* when it entered its state, or became good */
	uint64_t due_ms;       /* waiting: when the next round begins */
	struct lined_timer retry; /* see link_retry_fired() */
	uint32_t flush_ms;        /* time for the last lines; the owner may set
				   * it */
	uint64_t connects;        /* number of connections made */
	uint64_t preamble_bytes, sent_bytes; /* see relay_link_sent() */
	/* Lines given to this connection: see pending.h. */
	struct relay_pending_block *given, *given_last;
	char reached[LINED_ADDRESS_TEXT_MAX]; /* the last address tried, or ""
					       */
	char error[120];                      /* the last failure, or "" */
};

/* Fills a zeroed link, which is idle then. */
void relay_link_init(struct relay_link *link, struct relay *relay,
		     const struct relay_address *address,
		     const struct relay_link_handlers *handlers);
/* Drops the connection and frees the link's memory. */
void relay_link_fini(struct relay_link *link);

/* Starts the link, which then stays connected. If an earlier round has failed,
 * the first round waits for the rest of the delay after that failure. */
void relay_link_start(struct relay_link *link);

/* Makes the link idle at once; only handle_unsent is called. */
void relay_link_stop(struct relay_link *link);

/* Makes the link idle after flushing its send queue; only handle_unsent is
 * called. */
void relay_link_finish(struct relay_link *link);

/* As relay_link_finish(), but first reads what the other end has sent, for at
 * most 1 s. */
void relay_link_read_out(struct relay_link *link);

/* Call this when retry-min or retry-max has changed: the wait begins anew. */
void relay_link_retry_changed(struct relay_link *link);

/* Call this for each good line: the first one makes the link good. */
void relay_link_good(struct relay_link *link);

/*
 * Sends bytes of a shared buffer if there is room: up to the service's
 * send-queue, or any number if nothing is queued. False: not sent, and
 * handle_write is called when there is room.
 */
bool relay_link_send(struct relay_link *link, struct lined_buffer *buffer,
		     size_t offset, size_t len);

/* Bytes after the preamble that have left on this connection, or on the last
 * connection if the link is not connected. */
uint64_t relay_link_sent(const struct relay_link *link);

/* Bytes after the preamble that have left on this connection or are queued. */
uint64_t relay_link_given(const struct relay_link *link);

static inline bool relay_link_connected(const struct relay_link *link)
{
	return link->state == RELAY_LINK_CONNECTED;
}

#define RELAY_LINK_TEXT_MAX 2048

/* Writes "tcp://host:7", followed by " (192.0.2.1:7)" for a name that was
 * looked up. Returns text. */
const char *relay_link_text(const struct relay_link *link,
			    char text[RELAY_LINK_TEXT_MAX]);

/* Starts a one-shot timer. False: out of memory; logged. */
bool relay_link_start_timer(const struct relay *relay,
			    struct lined_timer *timer, uint64_t delay_ms);
