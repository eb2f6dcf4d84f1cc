/* SPDX-License-Identifier: MIT */
/*
 * The options of the relay protocol, as lined.conf(5) describes them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <lined/protocol.h>

/* A gap-notice of at most this length, with its count, fits into the smallest
 * send queue. */
#define RELAY_NOTICE_MAX 1000

#define RELAY_TOPIC_MAX 100

enum relay_mode {
	RELAY_HUB,
	RELAY_UPSTREAM,
	RELAY_PROXY,
};

/* Which upstreams feed the service. */
enum relay_choice {
	RELAY_CHOICE_FIRST,
	RELAY_CHOICE_ALL,
};

/* The treatment of a client whose send queue is full. */
enum relay_slow {
	RELAY_SLOW_DISCONNECT,
	RELAY_SLOW_DROP_OLDEST,
	RELAY_SLOW_DROP_NEWEST,
};

struct relay_options {
	enum relay_mode mode;
	bool loopback;
	struct lined_option_list upstream;
	enum relay_choice use;
	const char *upstream_ca, *upstream_name;
	const char *upstream_certificate, *upstream_key;
	bool upstream_verify;
	int upstream_proxy; /* version of the PROXY header; 0: none */
	int64_t retry_min_ms, retry_max_ms, stale_timeout_ms;
	struct lined_option_list preamble;
	struct lined_option_list push, push_preamble;
	int64_t push_hold, up_hold;
	int subscribe_only; /* see relay_options_subscribe_only() */
	bool publish_only;
	const char *topic; /* "": the feed is not shared */
	struct lined_option_list filter, filter_out, filter_up;
	int64_t dedupe_ms;
	const char *dedupe_without;
	const char *tag; /* a template; see tag.h */
	bool tag_checksum;
	int64_t history;
	int64_t heartbeat_ms;
	const char *heartbeat_line;
	enum relay_slow slow;
	const char *gap_notice;
	int64_t max_age_ms;
	int64_t hold;
};

extern const struct lined_option relay_option_table[];

/* Implements struct lined_protocol.check_options. */
void relay_options_check(struct lined_check *check, const void *arg);

/* Implements struct lined_protocol.needs_listen: false with upstreams and a
 * topic. */
bool relay_options_needs_listen(const void *options);

/* Implements struct lined_protocol.keeps_most. */
uint64_t relay_options_keeps_most(const void *options, size_t line_length,
				  uint64_t clients, unsigned workers);

/* Implements struct lined_protocol.connects_most. Mode proxy: 0, because
 * relay_options_keeps_most() counts these connections. */
uint32_t relay_options_connects_most(const void *options);

/* The option's value. If it is not set: true in mode upstream, false in the
 * others. */
bool relay_options_subscribe_only(const struct relay_options *options);
