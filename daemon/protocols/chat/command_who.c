/* SPDX-License-Identifier: MIT */
/*
 * Lists names from the registry and the rooms, as this worker knows them at
 * that moment. A list longer than a line or the send queue is sent in several
 * lines, as fast as the client takes them.
 */
#include "chat/command_who.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "chat/charged_memory.h"
#include "chat/room_seat.h"

/* ---- sending ------------------------------------------------------------ */

/* A list that is not completely sent. */
struct chat_list {
	char heading[CHAT_NAME_MAX + 1];
	const char *rest;
	char items[]; /* each item ends with a newline */
};

/* The longest line of a list: no longer than the client's own lines, and short
 * enough for a send queue at its low mark. */
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
}

/* Sends as many lines as the send queue has room for. True: the list is sent.
 */
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
	chat_free(member->chat, list, member->list_size);
	return true;
}

/* Whether there is room for a list, or memory to keep the list until there is
 * room. */
static bool list_may_wait(const struct chat_member *member, size_t size)
{
	return size <= lined_socket_room(member->socket) ||
	       lined_service_may_keep(member->chat->service, size);
}

/* Sends the list and frees it at the end; until then the client is not read. */
static void list_send(struct chat_member *member, struct chat_list *list)
{
	list->rest = list->items;
	if (list->items[0] == '\0')
		chat_member_tell(member, "* %s:", list->heading);
	if (list_send_lines(member, list))
		return;
	member->list = list;
	chat_member_hold(member);
	lined_socket_want_write(member->socket, true);
}

void chat_who_continue(struct chat_member *member)
{
	if (!list_send_lines(member, member->list))
		return;
	member->list = NULL;
	lined_socket_want_write(member->socket, false);
	chat_member_release(member);
}

/* ---- making ------------------------------------------------------------- */

/* Names, not owned, and the number of bytes that they need together. */
struct who_names {
	struct chat *chat;
	const char **items;
	size_t count, capacity;
	size_t bytes;
	bool failed; /* no memory */
};

static void who_add(struct who_names *names, const char *name)
{
	if (names->count == names->capacity) {
		size_t capacity =
			names->capacity > 0 ? names->capacity * 2 : 32;
		const char **items =
			realloc(names->items, capacity * sizeof(*items));

		names->failed |= items == NULL;
		if (items == NULL)
			return;
		names->items = items;
		names->capacity = capacity;
	}
	names->items[names->count++] = name;
	names->bytes += strlen(name) + 1;
}

static int who_compare(const void *a, const void *b)
{
	return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sends the names, sorted; rooms with their member counts. Frees the array. */
static void who_send(struct chat_member *member, struct who_names *names,
		     const char *heading, bool rooms)
{
	struct chat_list *list = NULL;
	size_t size = sizeof(*list) + names->bytes +
		      (rooms ? names->count * 24 : 0) + 1;
	char *at;
	size_t i;

	if (!names->failed && list_may_wait(member, size))
		list = chat_alloc(member->chat, size);
	if (list == NULL) {
		chat_member_lacks_memory(member);
		free(names->items);
		return;
	}
	member->list_size = size;
	snprintf(list->heading, sizeof(list->heading), "%s", heading);
	if (names->count > 0)
		qsort(names->items, names->count, sizeof(*names->items),
		      who_compare);
	at = list->items;
	for (i = 0; i < names->count; i++) {
		at = stpcpy(at, names->items[i]);
		if (rooms)
			at += sprintf(
				at, " (%zu)",
				chat_room_find(names->chat, names->items[i])
					->count);
		*at++ = '\n';
	}
	*at = '\0';
	free(names->items);
	list_send(member, list);
}

static void who_add_owner(const struct lined_registry_entry *entry, void *arg)
{
	struct who_names *names = arg;
	const struct chat_person *person =
		chat_nicknames_find(names->chat, entry->owner);

	if (person != NULL)
		who_add(names, person->nickname);
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

void chat_who(struct chat_member *member, const char *room)
{
	struct chat *chat = member->chat;
	struct who_names names = {.chat = chat};
	char prefix[CHAT_NAME_MAX + 8];

	if (!chat_name_is_room(room) ||
	    (chat_room_find(chat, room) == NULL &&
	     !chat_options_keep_room(chat_options(chat), room))) {
		chat_member_tell(member, "! no such room: %s", room);
		return;
	}
	if (who_is_hidden(member, room)) {
		chat_member_tell(member, "! %s needs a key", room);
		return;
	}
	snprintf(prefix, sizeof(prefix), CHAT_SEAT_PREFIX "%s/", room);
	lined_registry_list(chat->service, prefix, who_add_owner, &names);
	who_send(member, &names, room, false);
}

void chat_who_rooms(struct chat_member *member)
{
	struct chat *chat = member->chat;
	struct who_names names = {.chat = chat};
	const struct chat_room *room;

	for (room = chat->first_room; room != NULL; room = room->next)
		if (room->count > 0)
			who_add(&names, room->name);
	who_send(member, &names, "rooms", true);
}
