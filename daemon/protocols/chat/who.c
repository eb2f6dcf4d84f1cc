/* SPDX-License-Identifier: MIT */
/*
 * Makes lists of names from the registry and the rooms, as this worker knows
 * them at the moment.
 */
#include "chat/who.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "chat/seat.h"

/* Names, not owned, and how many bytes they need together. */
struct who_names {
	struct chat *chat;
	const char **items;
	size_t count, capacity;
	size_t bytes;
};

static void who_add(struct who_names *names, const char *name)
{
	if (names->count == names->capacity) {
		size_t capacity =
			names->capacity > 0 ? names->capacity * 2 : 32;
		const char **items =
			realloc(names->items, capacity * sizeof(*items));

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

/* The sorted names, each after a space; to be freed. NULL: no memory. Frees the
 * list. */
static char *who_text(struct who_names *names)
{
	char *text = malloc(names->bytes + 1), *at = text;
	size_t i;

	if (text != NULL) {
		if (names->count > 0)
			qsort(names->items, names->count, sizeof(*names->items),
			      who_compare);
		for (i = 0; i < names->count; i++) {
			*at++ = ' ';
			at = stpcpy(at, names->items[i]);
		}
		*at = '\0';
	}
	free(names->items);
	return text;
}

static void who_add_owner(const struct lined_registry_entry *entry, void *arg)
{
	struct who_names *names = arg;
	const struct chat_person *person =
		chat_people_find(names->chat, entry->owner);

	if (person != NULL)
		who_add(names, person->nickname);
}

/* Only members and operators see who is in a room with a key. */
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
	char *text;

	if (!chat_text_is_room(room) ||
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
	text = who_text(&names);
	if (text != NULL)
		chat_member_tell(member, "* %s:%s", room, text);
	free(text);
}

void chat_who_rooms(struct chat_member *member)
{
	struct chat *chat = member->chat;
	struct who_names names = {.chat = chat};
	const struct chat_room *room;
	size_t used = 0, size = 1, i;
	char *text;

	for (room = chat->first_room; room != NULL; room = room->next)
		if (room->count > 0)
			who_add(&names, room->name);
	if (names.count > 0)
		qsort(names.items, names.count, sizeof(*names.items),
		      who_compare);
	size += names.bytes + names.count * 24;
	text = calloc(1, size);
	for (i = 0; text != NULL && i < names.count; i++) {
		room = chat_room_find(chat, names.items[i]);
		used += (size_t)snprintf(text + used, size - used, " %s (%zu)",
					 room->name, room->count);
	}
	if (text != NULL)
		chat_member_tell(member, "* rooms:%s", text);
	free(text);
	free(names.items);
}
