/* SPDX-License-Identifier: MIT */
/*
 * A connector: the connection to one configured address, made again whenever it
 * ends. A name may have several addresses: each is tried once in a round, and
 * rounds are repeated with back-off. The connector is part of its owner's
 * struct. The owner reads from the connection, and decides when the connector
 * is good.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "relay/address.h"

struct relay;
struct relay_connector;
struct relay_unsent_batch;

/* The interval between checks whether a finishing connector has ended. */
#define RELAY_END_STEP_MS 10

/* Set by the owner of a connector: one table for all connectors of a kind. */
struct relay_connector_handlers {
	const char *kind; /* "upstream", for the log */
	/* The names of counters. */
	const char *connects, *losses, *failures;
	/* The list of lines to send first, as an offset in struct
	 * relay_options. */
	size_t preamble;
	/* The connector is connected, and the preamble is queued. handle_write
	 * follows. */
	void (*handle_connect)(struct relay_connector *connector);
	void (*handle_read)(struct relay_connector *connector);
	/* There is room: see relay_connector_send(). */
	void (*handle_write)(struct relay_connector *connector);
	/* A connection has ended, for any reason, and may not have sent all
	 * lines given to it: the owner must call relay_unsent_return(). Called
	 * before handle_close. */
	void (*handle_unsent)(struct relay_connector *connector);
	/* A connection has ended, or could not be made; the connector is
	 * waiting, or tries the next address. */
	void (*handle_close)(struct relay_connector *connector,
			     bool was_connected);
};

enum relay_connector_state {
	RELAY_CONNECTOR_IDLE,       /* not started */
	RELAY_CONNECTOR_CONNECTING, /* also while the name is looked up */
	RELAY_CONNECTOR_CONNECTED,
	RELAY_CONNECTOR_WAITING,   /* until the next round */
	RELAY_CONNECTOR_FINISHING, /* see relay_connector_finish(),
				    * relay_connector_read_out()
				    */
};

/* An address to connect to; a name may have several. */
struct relay_connector_target {
	struct lined_address to; /* len 0: a device has no socket address */
	unsigned failures; /* since the target last stayed good for retry-max */
	bool tried;        /* in this round */
};

struct relay_connector {
	struct relay *relay;
	const struct relay_connector_handlers *handlers;
	struct relay_address address;
	enum relay_connector_state state;
	struct lined_socket *sock; /* NULL: neither connected nor connecting */
	struct lined_lookup *lookup;
	struct relay_connector_target *targets;
	size_t target_count, target; /* target: index of the last tried */
	/* Rounds since a connection last stayed good for the time retry-max, or
	 * since that option changed. */
	unsigned failures;
	bool wasted;  /* the last connection did not stay good for retry-max */
	bool patient; /* set by the owner: another connector is good */
	uint64_t good_ms;      /* when the connector became good; 0: not good */
	uint64_t connected_ms; /* when it last connected */
	uint64_t state_ms;     /* when it entered its state, or became good */
	uint64_t due_ms;       /* waiting: when the next round begins */
	struct lined_timer retry; /* see connector_retry_fired() */
	uint32_t flush_ms;        /* time for the last lines; the owner may set
				   * it */
	uint64_t connects;        /* number of connections made */
	uint64_t preamble_bytes, sent_bytes; /* see relay_connector_sent() */
	/* Lines given to this connection: see unsent_lines.h. */
	struct relay_unsent_batch *given, *given_last;
	char reached[LINED_ADDRESS_TEXT_MAX]; /* the last address tried, or ""
					       */
	char error[120];                      /* the last failure, or "" */
};

/* Fills in a zeroed connector. Its state is then idle. */
void relay_connector_init(struct relay_connector *connector,
			  struct relay *relay,
			  const struct relay_address *address,
			  const struct relay_connector_handlers *handlers);
/* Drops the connection and frees the connector's memory. */
void relay_connector_fini(struct relay_connector *connector);

/* Starts the connector: it connects, and connects again after a loss, until it
 * is stopped. If an earlier round has failed, the first round waits until the
 * delay after that failure is over. */
void relay_connector_start(struct relay_connector *connector);

/* Makes the connector idle at once; only handle_unsent is called. */
void relay_connector_stop(struct relay_connector *connector);

/* Makes the connector idle after flushing its send queue; only handle_unsent is
 * called. */
void relay_connector_finish(struct relay_connector *connector);

/* As relay_connector_finish(), but first reads what the other end has sent, for
 * at most 1 s. */
void relay_connector_read_out(struct relay_connector *connector);

/* Call this when retry-min or retry-max has changed: ends a wait at once, and
 * the next delay is retry-min. */
void relay_connector_retry_changed(struct relay_connector *connector);

/* Call this for each good line: the first one makes the connector good. */
void relay_connector_good(struct relay_connector *connector);

static inline bool
relay_connector_connected(const struct relay_connector *connector)
{
	return connector->state == RELAY_CONNECTOR_CONNECTED;
}

#define RELAY_CONNECTOR_TEXT_MAX 2048

/* Writes "tcp://host:7", followed by " (192.0.2.1:7)" for a name that was
 * looked up. Returns text. */
const char *relay_connector_text(const struct relay_connector *connector,
				 char text[RELAY_CONNECTOR_TEXT_MAX]);

/* ---- connector_send.c ---------------------------------------------------- */

/* Sets the limits for connections of connectors. Call this at the start and
 * after each reload; a second call for the same config does nothing. */
void relay_connector_set_limits(struct relay *relay);

/* How many bytes may be queued now: up to the service's send-queue. */
size_t relay_connector_room(const struct relay_connector *connector);

/*
 * Sends len bytes of a shared buffer if there is room for all of them, or if
 * nothing is queued. False: not sent, and handle_write is called when there is
 * room.
 */
bool relay_connector_send(struct relay_connector *connector,
			  struct lined_buffer *buffer, size_t offset,
			  size_t len);

/* Bytes after the preamble that have left on this connection, or on the last
 * connection if the connector is not connected. */
uint64_t relay_connector_sent(const struct relay_connector *connector);

/* Bytes after the preamble that have left on this connection or are queued. */
uint64_t relay_connector_given(const struct relay_connector *connector);

/* Sends the lines of the option preamble or push-preamble. -1 and errno. */
int relay_connector_send_preamble(const struct relay_connector *connector);

/* Whether lines can be sent. */
bool relay_connector_is_open(const struct relay_connector *connector);
