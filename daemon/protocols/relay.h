/* SPDX-License-Identifier: MIT */
/*
 * What the files of the relay protocol share: the options, the instance and
 * its clients. A line walks
 *
 *	client or upstream -> filter -> block -> bus -> dedupe -> history
 *	-> every member
 *
 * and is copied once, into its block.
 */
#ifndef RELAY_H
#define RELAY_H

#include <regex.h>
#include <stdbool.h>
#include <stdint.h>

#include <lined/bus.h>
#include <lined/protocol.h>

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
};

/* ---- relay_filter.c --------------------------------------------------- */

struct relay_filter;

/* Compiles 'allow EXPRESSION' and 'deny EXPRESSION'. NULL, and why in error
 * (EINVAL). An empty list allows everything, and is NULL with error "". */
struct relay_filter *relay_filter_new(const struct lined_option_list *rules,
				      char *error, size_t size);
void relay_filter_free(struct relay_filter *filter);
/* NULL allows everything. */
bool relay_filter_allows(const struct relay_filter *filter, const char *text,
			 size_t len);

/* ---- relay_dedupe.c --------------------------------------------------- */

struct relay_dedupe;

/* Remembers lines for window_ms. NULL/ENOMEM. */
struct relay_dedupe *relay_dedupe_new(uint32_t window_ms);
void relay_dedupe_free(struct relay_dedupe *dedupe);
/* True where the line was seen within the window; else it is seen now. */
bool relay_dedupe_seen(struct relay_dedupe *dedupe, const char *text,
		       size_t len, uint64_t now_ms);

/* ---- relay_history.c -------------------------------------------------- */

struct relay_history;

/* Keeps the last `lines` lines. NULL/ENOMEM. */
struct relay_history *relay_history_new(size_t lines);
void relay_history_free(struct relay_history *history);
/* Takes part of a buffer in, with a reference. */
void relay_history_add(struct relay_history *history,
		       struct lined_buffer *buffer, size_t offset, size_t len);
/* Sends all of it, oldest first. */
void relay_history_send(const struct relay_history *history,
			struct lined_socket *client);

/* ---- relay_block.c ---------------------------------------------------- */

/* Lines of one sender on their way to the bus. */
struct relay_block {
	char *bytes; /* of all lines, tags and terminators included */
	size_t len, room;
	uint32_t *lens; /* of each line, its tag included */
	uint32_t count, lens_room;
	uint32_t tag_len; /* of each line's tag */
};

void relay_block_fini(struct relay_block *block);
/* -1/ENOMEM. */
int relay_block_add(struct relay_block *block, const char *tag, size_t tag_len,
		    const struct lined_line *line);
/* The block as a message, which is the caller's; the block is empty then.
 * NULL/ENOMEM. */
struct lined_buffer *relay_block_seal(struct relay_block *block,
				      uint64_t sender);

/* A message, read back. */
struct relay_message {
	struct lined_buffer *buffer;
	uint64_t sender;
	uint32_t count, tag_len;
	size_t lens_at;	 /* where the table of lengths is */
	size_t bytes_at; /* where the first line is */
	size_t bytes;	 /* of all lines */
};

/* False: it is no block. */
bool relay_message_read(struct relay_message *message,
			struct lined_buffer *buffer);
uint32_t relay_message_line_len(const struct relay_message *message,
				uint32_t line);

/* ---- relay.c ---------------------------------------------------------- */

struct relay_upstream;

/* An instance. */
struct relay {
	struct lined_service *service;
	const struct relay_options *options;
	enum relay_mode mode;
	bool subscribe_only; /* what clients send is discarded */
	struct relay_filter *filter;
	struct relay_dedupe *dedupe;
	struct relay_history *history;
	struct relay_block block;
	struct relay_client *members; /* who gets the feed */
	struct lined_subscription *feed;
	struct lined_subscription *upward; /* to the upstream, on its worker */
	struct relay_upstream *upstream;   /* on the primary worker */
};

struct relay_client {
	struct relay_client *prev, *next;
	struct relay *relay;
	struct lined_socket *sock;
	struct lined_socket *far; /* of a proxied client: its upstream */
	uint64_t id;
	uint64_t lost; /* lines, since it was last told */
	bool member;
	bool far_ended; /* it has said all */
	char tag[64];
	size_t tag_len;
};

/* The lines that the socket has, through filter and block to the bus, as from
 * sender. The status that ended the loop. */
enum lined_line_status relay_take_lines(struct relay *relay,
					struct lined_socket *sock,
					const char *tag, size_t tag_len,
					uint64_t sender);

/* ---- relay_feed.c ----------------------------------------------------- */

/* Subscribes; -1: cannot, logged. */
int relay_feed_start(struct relay *relay);
void relay_feed_stop(struct relay *relay);
/* Publishes what the block holds. */
void relay_feed_publish(struct relay *relay, uint64_t sender);
void relay_feed_join(struct relay *relay, struct relay_client *client);
void relay_feed_leave(struct relay *relay, struct relay_client *client);

/* ---- relay_upstream.c ------------------------------------------------- */

struct relay_address {
	bool tls;
	char host[256];
	uint16_t port;
};

/* Reads tcp://HOST:PORT or tls://HOST:PORT; names are allowed. -1, and why. */
int relay_address_parse(const char *text, struct relay_address *address,
			char *error, size_t size);

int relay_upstream_start(struct relay *relay);
void relay_upstream_stop(struct relay *relay);
/* The addresses or the times may have changed. */
void relay_upstream_reload(struct relay *relay);

/* ---- relay_proxy.c ---------------------------------------------------- */

void relay_proxy_accept(struct relay *relay, struct lined_socket *client);

#endif
