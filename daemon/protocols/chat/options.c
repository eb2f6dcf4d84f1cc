/* SPDX-License-Identifier: MIT */
/*
 * The options of a chat service in the config, and their check, which refuses
 * names that no client could type and hashes that crypt(3) does not support.
 */
#include "chat/options.h"

#include <stdio.h>
#include <string.h>

#include <lined/address.h>
#include <lined/protocol.h>
#include <lined/text.h>

#include "chat/name_syntax.h"

#define ROOM(NAME, TYPE, MEMBER)                                               \
	LINED_OPTION(NAME, TYPE, struct chat_room_options, MEMBER)

static const struct lined_option room_table[] = {
	{ROOM("topic", STRING, topic)},
	{ROOM("key", STRING, key)},
	{ROOM("read-only", BOOLEAN, read_only)},
	{.name = NULL},
};

#define OPERATOR(NAME, TYPE, MEMBER)                                           \
	LINED_OPTION(NAME, TYPE, struct chat_operator_options, MEMBER)

static const struct lined_option operator_table[] = {
	{OPERATOR("hash", STRING, hash)},
	{OPERATOR("from", LIST, from)},
	{.name = NULL},
};

#define OPTION(NAME, TYPE, MEMBER)                                             \
	LINED_OPTION(NAME, TYPE, struct chat_options, MEMBER)

static const char *const announce_words[] = {
	[CHAT_ANNOUNCE_CONNECT] = "connect",
	[CHAT_ANNOUNCE_FIRST_LINE] = "first-line",
	NULL,
};

const struct lined_option chat_options_table[] = {
	{OPTION("motd", STRING, motd), .fallback = "Welcome."},
	{OPTION("announce", CHOICE, announce), .fallback = "connect",
	 .choices = announce_words},
	{OPTION("history", INTEGER, history), .max = 100000},
	{OPTION("echo", BOOLEAN, echo)},
	{OPTION("default-room", STRING, default_room), .fallback = "lobby"},
	{OPTION("password", STRING, password)},
	{OPTION("flood-rate", INTEGER, flood_rate), .fallback = "5",
	 .max = 1000000},
	{OPTION("flood-burst", INTEGER, flood_burst), .fallback = "20",
	 .min = 1, .max = 1000000},
	{OPTION("room", SECTION, rooms), .section = room_table,
	 .section_size = sizeof(struct chat_room_options)},
	{OPTION("operator", SECTION, operators), .section = operator_table,
	 .section_size = sizeof(struct chat_operator_options)},
	{.name = NULL},
};

/* ---- finding a section -------------------------------------------------- */

const struct chat_room_options *
chat_options_room(const struct chat_options *options, const char *room)
{
	const struct chat_room_options *section = options->rooms.items;
	size_t i;

	for (i = 0; i < options->rooms.count; i++)
		if (strcmp(section[i].title, room) == 0)
			return &section[i];
	return NULL;
}

/* "unix" stands for all clients of UNIX sockets. */
static bool network_is_good(const char *text)
{
	struct lined_network network;

	return strcmp(text, "unix") == 0 ||
	       lined_network_parse(&network, text) != LINED_NETWORK_BAD;
}

static bool network_has_peer(const char *text, const char *peer)
{
	struct lined_network network;
	struct lined_address address;

	if (strcmp(text, "unix") == 0)
		return strcmp(peer, "unix") == 0;
	return lined_address_parse(&address, peer) == 0 &&
	       lined_network_parse(&network, text) != LINED_NETWORK_BAD &&
	       lined_network_contains(&network, &address.any);
}

/* Whether a client with this address may become the operator. Without `from`
 * any client may. */
static bool operator_may_be(const struct chat_operator_options *operator,
			    const char * peer)
{
	size_t i;

	for (i = 0; i < operator->from.count; i++)
		if (network_has_peer(operator->from.items[i], peer))
			return true;
	return operator->from.count == 0;
}

const struct chat_operator_options *
chat_options_operator(const struct chat_options *options, const char *title,
		      const char *peer)
{
	const struct chat_operator_options *section = options->operators.items;
	size_t i;

	for (i = 0; i < options->operators.count; i++)
		if (strcmp(section[i].title, title) == 0 &&
		    operator_may_be(&section[i], peer))
			return &section[i];
	return NULL;
}

bool chat_options_keep_room(const struct chat_options *options,
			    const char *room)
{
	return strcmp(options->default_room, room) == 0 ||
	       chat_options_room(options, room) != NULL;
}

/* ---- checking ----------------------------------------------------------- */

/* Whether a client could type the text. */
static bool options_text_is_clean(const char *text)
{
	return lined_text_is_clean(text, strlen(text));
}

static int room_check(const struct chat_room_options *room, char *error,
		      size_t size)
{
	if (!chat_name_is_room(room->title))
		snprintf(error, size,
			 "room \"%s\": a name is 1 to 32 of a-z 0-9 _ -",
			 room->title);
	else if (!options_text_is_clean(room->topic))
		snprintf(error, size,
			 "room \"%s\": topic has control characters",
			 room->title);
	else if (!options_text_is_clean(room->key) || room->key[0] == ' ' ||
		 (room->key[0] != '\0' &&
		  room->key[strlen(room->key) - 1] == ' '))
		snprintf(error, size,
			 "room \"%s\": key cannot be typed by a client",
			 room->title);
	else
		return 0;
	return -1;
}

static int operator_check(const struct chat_operator_options *operator,
			  char * error, size_t size)
{
	size_t i;

	if (!options_text_is_clean(operator->title) ||
	    strchr(operator->title, ' ')) {
		snprintf(
			error, size,
			"operator \"%s\": a name is one word", operator->title);
		return -1;
	}
	if (lined_password_check_hash(operator->hash) < 0) {
		snprintf(error, size,
			 "operator \"%s\": hash is not one that crypt(3) of "
			 "this build knows",
			 operator->title);
		return -1;
	}
	for (i = 0; i < operator->from.count; i++) {
		if (network_is_good(operator->from.items[i]))
			continue;
		snprintf(error, size,
			 "operator \"%s\": from: \"%s\" is neither an "
			 "address, a network nor unix",
			 operator->title, operator->from.items[i]);
		return -1;
	}
	return 0;
}

static int default_room_check(const struct chat_options *options, char *error,
			      size_t size)
{
	const char *name = options->default_room;
	const struct chat_room_options *room = chat_options_room(options, name);

	if (name[0] != '\0' && !chat_name_is_room(name))
		snprintf(error, size,
			 "default-room \"%s\": a name is 1 to 32 of a-z 0-9 _ "
			 "-, or empty for none",
			 name);
	else if (room != NULL && room->key[0] != '\0')
		snprintf(
			error, size,
			"default-room \"%s\" has a key: clients could not join",
			name);
	else
		return 0;
	return -1;
}

int chat_options_check(const void *arg, char *error, size_t size)
{
	const struct chat_options *options = arg;
	const struct chat_room_options *rooms = options->rooms.items;
	const struct chat_operator_options *operators =
		options->operators.items;
	size_t i;

	if (!options_text_is_clean(options->motd)) {
		snprintf(error, size, "motd has control characters");
		return -1;
	}
	if (!options_text_is_clean(options->password) ||
	    (options->password[0] == '$' &&
	     lined_password_check_hash(options->password) < 0)) {
		snprintf(error, size,
			 "password: it cannot be typed by a client, or begins "
			 "with $ and is not a hash that crypt(3) of this build "
			 "knows");
		return -1;
	}
	for (i = 0; i < options->rooms.count; i++)
		if (room_check(&rooms[i], error, size) < 0)
			return -1;
	for (i = 0; i < options->operators.count; i++)
		if (operator_check(&operators[i], error, size) < 0)
			return -1;
	return default_room_check(options, error, size);
}
