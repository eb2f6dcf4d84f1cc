/* SPDX-License-Identifier: MIT */
/*
 * What the files of the relay protocol share: the options, the instance and
 * its clients. A line walks
 *
 *	client or upstream -> filter -> block -> bus (-> keeper -> bus)
 *	-> dedupe -> history -> every member
 *
 * and is copied once, into its block. The keeper is there only where lines
 * are held for the first subscriber, relay_hold.c.
 */
#ifndef RELAY_H
#define RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include <lined/address.h>
#include <lined/bus.h>
#include <lined/protocol.h>

#include "relay/block.h"
#include "relay/dedupe.h"
#include "relay/filter.h"
#include "relay/history.h"

/* So long a gap-notice, with its count, fits into the smallest send queue. */
#define RELAY_NOTICE_MAX 1000

enum relay_mode {
	RELAY_HUB,
	RELAY_UPSTREAM,
	RELAY_PROXY,
};

struct relay_options {
	const char *mode;
	bool loopback;
	struct lined_option_list upstream;
	const char *upstream_ca, *upstream_name;
	int64_t retry_min_ms, retry_max_ms, stale_timeout_ms;
	struct lined_option_list preamble;
	const char *subscribe_only; /* "": as the mode has it */
	bool publish_only;
	const char *topic; /* "": of this service alone */
	struct lined_option_list filter;
	int64_t dedupe_ms;
	bool tag;
	int64_t history;
	const char *slow;
	const char *gap_notice;
	int64_t hold;
};

enum relay_mode relay_mode(const struct relay_options *options);

/* ---- relay.c ---------------------------------------------------------- */

struct relay_upstream;
struct relay_pair;

/* An instance. */
struct relay {
	struct lined_service *service;
	const struct relay_options *options;
	enum relay_mode mode;
	bool publish_only;   /* clients get nothing */
	bool subscribe_only; /* what clients send is discarded */
	struct relay_filter *filter;
	struct relay_dedupe *dedupe;
	struct relay_history *history;
	struct relay_block block;
	char topic[128];              /* "": the feed is this service's alone */
	struct relay_client *clients; /* of hub and upstream */
	struct lined_subscription *feed; /* NULL where they get nothing */
	struct relay_hold *hold;
	struct lined_subscription *upward; /* to the upstream, on its worker */
	struct relay_upstream *upstream;   /* on the primary worker */
	struct relay_pair *pairs;          /* proxied clients */
};

struct relay_client {
	struct relay_client *prev, *next;
	struct relay *relay;
	struct lined_socket *sock;
	uint64_t id;
	uint64_t lost; /* lines, since it was last told */
	uint8_t tag_len;
	char tag[]; /* "ADDRESS " */
};

/*
 * The lines that the socket has, through filter and block to the bus, as from
 * sender: a client's id, or 0 for the upstream. The status that ended the
 * loop: not READY, not TOO_LONG.
 */
enum lined_line_status relay_take_lines(struct relay *relay,
					struct lined_socket *sock,
					const char *tag, size_t tag_len,
					uint64_t sender);
/* One line, through the filter to the block, which the caller publishes. */
void relay_take_line(struct relay *relay, const char *tag, size_t tag_len,
		     uint64_t sender, const struct lined_line *line);
/* Reads lines to nowhere, counting them; the same statuses. */
enum lined_line_status relay_discard_lines(struct relay *relay,
					   struct lined_socket *sock);

/* ---- relay_feed.c ----------------------------------------------------- */

/* What a topic of the bus is for; each is one topic of it. */
enum relay_channel {
	RELAY_FEED, /* blocks for every member */
	RELAY_KEPT, /* blocks for the keeper, which passes them on */
	RELAY_HOLD, /* who keeps, who has members */
	RELAY_UP,   /* blocks for the upstream of this service */
};

struct lined_subscription *
relay_subscribe(struct relay *relay, enum relay_channel channel,
		void (*handler)(void *arg, struct lined_buffer *message),
		void *arg);
int relay_publish(struct relay *relay, enum relay_channel channel,
		  struct lined_buffer *message);

/* Subscribes; -1: cannot, logged. */
int relay_feed_start(struct relay *relay);
void relay_feed_stop(struct relay *relay);
/* The options are new. -1: cannot, logged, and all is as it was. */
int relay_feed_reload(struct relay *relay);
/* Publishes what the block holds: to the feed, or from a client of an
 * upstream service to the upstream. */
void relay_feed_publish(struct relay *relay, uint64_t sender);
/* A newcomer: history, then the feed, unless clients only publish. */
void relay_feed_join(struct relay *relay, struct relay_client *client);
void relay_feed_leave(struct relay *relay, struct relay_client *client);
/* The client takes more again: it is told of its gap, unless the notice might
 * be dropped where it stood. Then that is for the next time. */
void relay_feed_tell_gap(struct relay *relay, struct relay_client *client);

/* ---- relay_hold.c ----------------------------------------------------- */

struct relay_hold;

/* -1: cannot, logged. */
int relay_hold_start(struct relay *relay);
void relay_hold_stop(struct relay *relay);
/* hold may be another. -1: cannot, logged. */
int relay_hold_reload(struct relay *relay);
/* Who gets the feed here is not the same: the keeper must know. */
void relay_hold_members_changed(struct relay *relay);
/* Publishes a block to the feed, by the keeper where there is one. */
void relay_hold_publish(struct relay *relay, struct lined_buffer *buffer,
			uint32_t lines);
/* Which client here gets a block that the keeper gave to one instance; NULL:
 * none, and where it was this instance the keeper has it back. */
struct relay_client *relay_hold_reader(struct relay *relay,
				       const struct relay_message *message);

/* ---- relay_address.c -------------------------------------------------- */

struct relay_address {
	bool tls;
	struct lined_host_port to;
	char text[280]; /* as the config writes it */
};

/* Reads tcp://HOST:PORT or tls://HOST:PORT; names are allowed. -1, and why. */
int relay_address_parse(const char *text, struct relay_address *address,
			char *error, size_t size);

/*
 * A socket on its way there: within ten seconds handle_connect is called, or
 * handle_close. It has the service's group and framing, a rest at its end is
 * dropped. NULL and errno.
 */
struct lined_socket *
relay_address_connect(const struct relay *relay,
		      const struct relay_address *address,
		      const struct lined_socket_handlers *handlers, void *arg);

/* To be called first in handle_connect. False: the socket is connected to
 * itself, as may happen where nobody listens, and is closed. */
bool relay_address_reached(struct lined_socket *sock);

/* Why a socket was closed, before or after it stood. */
const char *relay_address_why(const struct relay_address *address,
			      enum lined_close_reason reason, int error,
			      bool stood);

/* Logs which upstreams of the options are not served. */
void relay_address_tell_unserved(const struct relay *relay);

/*
 * How long to wait before try number `failures` (0 and up) after the last
 * connection that was any good: exactly min_ms, then twice as long each time
 * and no longer than max_ms, of which random takes up to a half away.
 */
uint64_t relay_address_retry_ms(uint64_t min_ms, uint64_t max_ms,
				unsigned failures, uint32_t random);

/* ---- relay_link.c ----------------------------------------------------- */

/* A connection to an upstream, or one in the making. */
struct relay_link {
	struct relay_upstream *upstream;
	struct lined_socket *sock; /* NULL: neither */
	size_t address;            /* which of the upstream's */
	uint64_t stood_ms;         /* since when */
	bool stands;
	bool delivered; /* a line at least */
};

/* Begins to connect; the link is the handlers' argument. -1 and errno. */
int relay_link_open(struct relay_link *link, const struct relay *relay,
		    const struct relay_address *address,
		    const struct lined_socket_handlers *handlers);
/* Makes the limits that the config has just given the group those of links. */
void relay_link_limit(struct lined_socket_group *group);
/* Closes it without a word: none of its handlers is called any more. */
void relay_link_drop(struct relay_link *link);
/* It was closed. */
void relay_link_gone(struct relay_link *link);
/* Each line with the end that the config has for lines. -1 and errno. */
int relay_link_send_preamble(const struct relay_link *link,
			     const struct lined_option_list *preamble);
/* Sends the lines of a block that there is room for; how many they were. */
uint32_t relay_link_send(struct relay_link *link,
			 const struct relay_message *message);

/* ---- relay_upstream.c ------------------------------------------------- */

/* Does nothing but on the primary worker of a service in mode upstream. -1:
 * cannot, logged. */
int relay_upstream_start(struct relay *relay);
void relay_upstream_stop(struct relay *relay);
/* No client is left: ends the connection once it has taken what they said.
 * True: it has ended, or there is none. */
bool relay_upstream_finish(struct relay *relay);
/* The mode, the addresses or the times may have changed. */
void relay_upstream_reload(struct relay *relay);

/* ---- relay_proxy.c ---------------------------------------------------- */

void relay_proxy_accept(struct relay *relay, struct lined_socket *client);
/* The service drains: the upstream of this client is told its end, and the
 * client is closed when the upstream has answered and ended, too. */
void relay_proxy_drain(struct relay_pair *pair);
/* No client is left: whether all that they said has been taken. */
bool relay_proxy_finish(const struct relay *relay);
/* The instance ends, whatever is still on its way. */
void relay_proxy_stop(struct relay *relay);

#endif
