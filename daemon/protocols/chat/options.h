/* SPDX-License-Identifier: MIT */
/*
 * The options of a chat service as set by the config. The struct is constant,
 * but a reload replaces it: do not keep a pointer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/protocol.h>

/* room "title" { } */
struct chat_room_options {
	const char *title, *topic, *key;
	bool read_only;
};

/* operator "title" { } */
struct chat_operator_options {
	const char *title, *hash;
	struct lined_option_list from;
};

/* When a new client is announced to other members. */
enum chat_announce {
	CHAT_ANNOUNCE_CONNECT,
	CHAT_ANNOUNCE_FIRST_LINE,
};

struct chat_options {
	const char *motd;
	enum chat_announce announce;
	int64_t history;
	bool echo;
	const char *default_room, *password;
	int64_t flood_rate, flood_burst;
	struct lined_option_sections rooms, operators;
};

/* The table and the check for struct lined_protocol. */
extern const struct lined_option chat_options_table[];
int chat_options_check(const void *options, char *error, size_t size);

/* The section of a room; NULL: none. */
const struct chat_room_options *
chat_options_room(const struct chat_options *options, const char *room);

/* The operator section with this title, if a client with the address peer may
 * use it; NULL: none. peer is written as by lined_client_peer(). */
const struct chat_operator_options *
chat_options_operator(const struct chat_options *options, const char *title,
		      const char *peer);

/* Whether the config names the room, which then exists even without members. */
bool chat_options_keep_room(const struct chat_options *options,
			    const char *room);
