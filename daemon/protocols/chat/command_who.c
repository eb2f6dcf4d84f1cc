/* SPDX-License-Identifier: MIT */
/*
 * /who lists names from the registry, /rooms the rooms that this worker knows.
 * A list longer than a line or the send queue is sent in several lines, as fast
 * as the client takes them. Rooms are listed in portions, one a turn: all of
 * them at once would delay the worker's other clients.
 */
#include "chat/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "chat/charged_memory.h"
#include "chat/room_seat.h"

/* The most rooms in a portion, and the most bytes of a room in it:
 * "NAME (COUNT)" and a newline. */
#define ROOMS_A_TURN 100
#define ROOM_MAX     (CHAT_NAME_MAX + 24)

/* ---- sending ------------------------------------------------------------ */

/* A list that is not completely sent. */
struct chat_list {
	char heading[CHAT_NAME_MAX + 1];
	char last_room[CHAT_NAME_MAX + 1]; /* /rooms: last room looked at */
	bool goes_on;                      /* /rooms: more rooms may follow */
	bool begun;                        /* a line was sent */
	const char *rest;                  /* items that are not sent */
	char items[];                      /* each item ends with a newline */
};

/* Makes an empty list. NULL: no memory for the list, and the member was told
 * so. */
static struct chat_list *list_new(struct chat_member *member,
				  const char *heading, size_t items_size)
{
	size_t size = sizeof(struct chat_list) + items_size;
	struct chat_list *list = NULL;

	if (size <= lined_socket_room(member->socket) ||
	    lined_service_may_keep(member->chat->service, size))
		list = chat_alloc(member->chat, size);
	if (list == NULL) {
		chat_member_lacks_memory(member);
		return NULL;
	}
	member->list_size = size;
	list->rest = list->items;
	strcpy(list->heading, heading);
	return list;
}

/* The longest line of a list: at most line-length, as for the client's own
 * lines, and at most a quarter of send-queue, so that the line fits when the
 * queue has sunk to its low mark. */
static size_t list_line_max(const struct chat_member *member)
{
	size_t max = lined_socket_framing(member->socket)->line_length;
	size_t queue = lined_socket_limits(member->socket)->send_queue;

	return queue > 0 && max > queue / 4 ? queue / 4 : max;
}

/* The length of the items for the next line: at least one item, and all that
 * fit into len bytes. */
static size_t list_next_len(const char *rest, size_t len)
{
	size_t used = strcspn(rest, "\n") + 1, next;

	while (rest[used] != '\0') {
		next = strcspn(rest + used, "\n") + 1;
		if (used + next > len)
			break;
		used += next;
	}
	return used;
}

static void list_send_line(struct chat_member *member, struct chat_list *list,
			   size_t len)
{
	char *line = (char *)(uintptr_t)list->rest, *at = line;

	/* "alice\nbob\n" becomes "alice bob". */
	line[len - 1] = '\0';
	while ((at = strchr(at, '\n')) != NULL)
		*at = ' ';
	chat_member_tell(member, "* %s: %s", list->heading, line);
	list->rest += len;
	list->begun = true;
}

/* Sends as many lines as the send queue has room for. False: items are left. */
static bool list_send_lines(struct chat_member *member, struct chat_list *list)
{
	size_t max = list_line_max(member);
	size_t heading_len = strlen(list->heading) + strlen("* : \r\n"), len;

	while (list->rest[0] != '\0') {
		len = list_next_len(list->rest,
				    max > heading_len ? max - heading_len : 0);
		if (lined_socket_room(member->socket) < len + heading_len)
			return false;
		list_send_line(member, list, len);
	}
	return true;
}

/* Replaces the items by the next rooms. Rooms without members are left out. */
static void list_take_rooms(struct chat *chat, struct chat_list *list)
{
	const struct chat_room *room = NULL;
	char *at = list->items;
	unsigned i;

	for (i = 0; i < ROOMS_A_TURN; i++) {
		room = chat_room_next(chat, list->last_room);
		if (room == NULL)
			break;
		strcpy(list->last_room, room->name);
		if (room->count > 0)
			at += sprintf(at, "%s (%zu)\n", room->name,
				      room->count);
	}
	*at = '\0';
	list->rest = list->items;
	list->goes_on = room != NULL;
}

/* Sends a part of the list. True: all is sent, and the list is freed. */
static bool list_send(struct chat_member *member, struct chat_list *list)
{
	if (!list_send_lines(member, list))
		return false;
	if (list->goes_on) {
		list_take_rooms(member->chat, list);
		return false;
	}
	if (!list->begun)
		chat_member_tell(member, "* %s:", list->heading);
	chat_free(member->chat, list, member->list_size);
	return true;
}

/* Begins to send a list. The client is not read until all is sent. */
static void list_begin(struct chat_member *member, struct chat_list *list)
{
	if (list_send(member, list))
		return;
	member->list = list;
	chat_member_hold(member);
	lined_socket_want_write(member->socket, true);
}

void chat_who_continue(struct chat_member *member)
{
	if (!list_send(member, member->list))
		return;
	member->list = NULL;
	lined_socket_want_write(member->socket, false);
	chat_member_release(member);
}

/* ---- /rooms ------------------------------------------------------------- */

void chat_who_rooms(struct chat_member *member, struct chat_args *args)
{
	struct chat_list *list =
		list_new(member, "rooms", ROOMS_A_TURN * ROOM_MAX + 1);

	if (list == NULL)
		return;
	list_take_rooms(member->chat, list);
	list_begin(member, list);
}

/* ---- /who --------------------------------------------------------------- */

/* Nicknames, not owned, and the number of bytes that they need together. */
struct who_names {
	struct chat *chat;
	const char **items;
	size_t count, capacity;
	size_t bytes;
};

static void who_add_owner(const struct lined_registry_entry *entry, void *arg)
{
	struct who_names *names = arg;
	const struct chat_person *person =
		chat_nicknames_find(names->chat, entry->owner);

	if (person == NULL || names->count == names->capacity)
		return;
	names->items[names->count++] = person->nickname;
	names->bytes += strlen(person->nickname) + 1;
}

static int who_compare(const void *a, const void *b)
{
	return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

static void who_send(struct chat_member *member, const char *room,
		     struct who_names *names)
{
	struct chat_list *list = list_new(member, room, names->bytes + 1);
	char *at;
	size_t i;

	if (list == NULL)
		return;
	qsort(names->items, names->count, sizeof(*names->items), who_compare);
	at = list->items;
	for (i = 0; i < names->count; i++) {
		at = stpcpy(at, names->items[i]);
		*at++ = '\n';
	}
	list_begin(member, list);
}

/* Whether the room's members are hidden: the room has a key, and the member is
 * neither in it nor an operator. */
static bool who_is_hidden(struct chat_member *member, const char *room)
{
	const struct chat_room_options *options =
		chat_options_room(chat_options(member->chat), room);

	return options != NULL && options->key[0] != '\0' &&
	       !member->is_operator && chat_seat_find(member, room) == NULL;
}

void chat_who(struct chat_member *member, struct chat_args *args)
{
	struct chat *chat = member->chat;
	struct who_names names = {.chat = chat};
	char prefix[CHAT_NAME_MAX + 8];
	const char *name = args->rest;
	const struct chat_room *room;
	const struct chat_seat *seat;

	if (name[0] == '\0') {
		seat = chat_args_seat(member);
		if (seat == NULL)
			return;
		name = seat->room->name;
	}
	room = chat_room_find(chat, name);
	if (!chat_name_is_room(name) ||
	    (room == NULL &&
	     !chat_options_keep_room(chat_options(chat), name))) {
		chat_member_tell(member, "! no such room: %s", name);
		return;
	}
	if (who_is_hidden(member, name)) {
		chat_member_tell(member, "! %s needs a key", name);
		return;
	}
	names.capacity = room != NULL ? room->count : 0;
	names.items = calloc(names.capacity + 1, sizeof(*names.items));
	if (names.items == NULL) {
		chat_member_lacks_memory(member);
		return;
	}
	snprintf(prefix, sizeof(prefix), CHAT_SEAT_PREFIX "%s/", name);
	lined_registry_list(chat->service, prefix, who_add_owner, &names);
	who_send(member, name, &names);
	free(names.items);
}
