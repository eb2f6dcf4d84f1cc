/* SPDX-License-Identifier: MIT */
/*
 * chat: rooms, nicknames and private messages for people on nc and telnet and
 * for small bots. This file is what lined calls: the options, and how an
 * instance begins and ends.
 */
#include "chat/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "chat/event.h"
#include "chat/member.h"
#include "chat/peer.h"
#include "chat/people.h"
#include "chat/room.h"
#include "chat/seat.h"
#include "chat/text.h"

#define CHECK_MS 500

/* ---- options ------------------------------------------------------------ */

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

static const struct lined_option chat_table[] = {
	{OPTION("motd", STRING, motd), .fallback = "Welcome."},
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

static const struct chat_room_options *
find_room(const struct chat_options *options, const char *name)
{
	const struct chat_room_options *room = options->rooms.items;
	size_t i;

	for (i = 0; i < options->rooms.count; i++)
		if (strcmp(room[i].title, name) == 0)
			return &room[i];
	return NULL;
}

const struct chat_room_options *chat_room_options(const struct chat *chat,
						  const char *room)
{
	return find_room(chat_options(chat), room);
}

/* ---- checking them ------------------------------------------------------ */

static int check_room(const struct chat_room_options *room, char *error,
		      size_t size)
{
	if (!chat_text_is_room(room->title))
		snprintf(error, size,
			 "room \"%s\": a name is 1 to 32 of a-z 0-9 _ -",
			 room->title);
	else if (!chat_text_is_clean(room->topic))
		snprintf(error, size,
			 "room \"%s\": topic has control characters",
			 room->title);
	else if (!chat_text_is_clean(room->key) || room->key[0] == ' ' ||
		 (room->key[0] != '\0' &&
		  room->key[strlen(room->key) - 1] == ' '))
		snprintf(error, size, "room \"%s\": nobody could type this key",
			 room->title);
	else
		return 0;
	return -1;
}

static int check_operator(const struct chat_operator_options *who, char *error,
			  size_t size)
{
	size_t i;

	if (!chat_text_is_clean(who->title) || strchr(who->title, ' ')) {
		snprintf(error, size, "operator \"%s\": a name is one word",
			 who->title);
		return -1;
	}
	if (lined_password_check_hash(who->hash) < 0) {
		snprintf(error, size,
			 "operator \"%s\": hash is not one that crypt(3) of "
			 "this build knows",
			 who->title);
		return -1;
	}
	for (i = 0; i < who->from.count; i++) {
		if (chat_peer_is_network(who->from.items[i]))
			continue;
		snprintf(error, size,
			 "operator \"%s\": from: \"%s\" is neither an "
			 "address, a network nor unix",
			 who->title, who->from.items[i]);
		return -1;
	}
	return 0;
}

static int check_default_room(const struct chat_options *options, char *error,
			      size_t size)
{
	const char *name = options->default_room;
	const struct chat_room_options *room = find_room(options, name);

	if (name[0] != '\0' && !chat_text_is_room(name))
		snprintf(error, size,
			 "default-room \"%s\": a name is 1 to 32 of a-z 0-9 _ "
			 "-, or empty for none",
			 name);
	else if (room != NULL && room->key[0] != '\0')
		snprintf(error, size,
			 "default-room \"%s\" has a key: nobody could come in",
			 name);
	else
		return 0;
	return -1;
}

static int check(const void *arg, char *error, size_t size)
{
	const struct chat_options *options = arg;
	const struct chat_room_options *rooms = options->rooms.items;
	const struct chat_operator_options *operators =
		options->operators.items;
	size_t i;

	if (!chat_text_is_clean(options->motd)) {
		snprintf(error, size, "motd has control characters");
		return -1;
	}
	if (!chat_text_is_clean(options->password) ||
	    (options->password[0] == '$' &&
	     lined_password_check_hash(options->password) < 0)) {
		snprintf(error, size,
			 "password: nobody could type it, or (with a $) it is "
			 "no hash that crypt(3) of this build knows");
		return -1;
	}
	for (i = 0; i < options->rooms.count; i++)
		if (check_room(&rooms[i], error, size) < 0)
			return -1;
	for (i = 0; i < options->operators.count; i++)
		if (check_operator(&operators[i], error, size) < 0)
			return -1;
	return check_default_room(options, error, size);
}

/* ---- life --------------------------------------------------------------- */

int chat_compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void stop(struct lined_service *service)
{
	struct chat *chat = lined_service_data(service);

	if (chat == NULL)
		return;
	lined_dispatcher_undefer(lined_service_dispatcher(service),
				 &chat->phase_message);
	lined_bus_unsubscribe(chat->events);
	lined_registry_unwatch(chat->name_watch);
	lined_registry_unwatch(chat->seat_watch);
	chat_members_free(chat);
	chat_people_free(chat);
	chat_rooms_free(chat);
	free(chat);
	lined_service_set_data(service, NULL);
}

static int start(struct lined_service *service)
{
	struct chat *chat = calloc(1, sizeof(*chat));

	if (chat == NULL)
		goto fail;
	chat->service = service;
	chat->phase_message.handler = chat_member_phase;
	chat->phase_message.cancel = chat_member_phase;
	lined_service_set_data(service, chat);
	if (getrandom(&chat->origin, sizeof(chat->origin), 0) !=
	    (ssize_t)sizeof(chat->origin))
		goto fail;
	chat->events = lined_bus_subscribe(service, CHAT_EVENTS,
					   chat_event_received, chat);
	chat->name_watch = lined_registry_watch(service, CHAT_PEOPLE_PREFIX,
						chat_people_changed, chat);
	chat->seat_watch = lined_registry_watch(service, CHAT_SEAT_PREFIX,
						chat_room_changed, chat);
	if (chat->events != NULL && chat->name_watch != NULL &&
	    chat->seat_watch != NULL)
		return 0;
fail:
	lined_service_log(service, LINED_LOG_ERR, "out of memory");
	stop(service);
	return -1;
}

static void reload(struct lined_service *service)
{
	chat_rooms_reload(lined_service_data(service));
}

static void say_goodbye(struct lined_socket *client, void *arg)
{
	struct chat_member *member = lined_socket_arg(client);

	(void)arg;
	if (member != NULL && member->nickname[0] != '\0')
		chat_member_goodbye(member);
}

/*
 * Everybody is about to go: nobody needs to hear of each. The busy are told
 * together with the idle, while they can still finish; who has no nickname yet
 * hears of it behind the greeting.
 */
static void drain(struct lined_service *service)
{
	struct chat *chat = lined_service_data(service);

	chat->draining = true;
	lined_service_each_client(service, say_goodbye, NULL);
}

static void check_waiting(struct lined_service *service)
{
	chat_member_check_waiting(lined_service_data(service));
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "chat",
	.summary = "rooms, nicknames and private messages for people",
	.flags = LINED_NO_IDLE_TIMEOUT,
	.transports = LINED_TRANSPORT_STREAM,
	.handle_accept = chat_member_accept,
	.options = chat_table,
	.options_size = sizeof(struct chat_options),
	.check = check,
	.start = start,
	.stop = stop,
	.reload = reload,
	.drain = drain,
	.handle_task = check_waiting,
	.task_ms = CHECK_MS,
};
