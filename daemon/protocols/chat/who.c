/* SPDX-License-Identifier: MIT */
/*
 * Lists of names, made of the registry's entries as this worker has them.
 */
#include "chat/who.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "chat/seat.h"

/* Pointers to names of others, and how long they are together. */
struct names {
	struct chat *chat;
	const char **items;
	size_t count, room;
	size_t bytes;
};

static void add(struct names *names, const char *name)
{
	if (names->count == names->room) {
		size_t room = names->room > 0 ? names->room * 2 : 32;
		const char **items =
			realloc(names->items, room * sizeof(*items));

		if (items == NULL)
			return;
		names->items = items;
		names->room = room;
	}
	names->items[names->count++] = name;
	names->bytes += strlen(name) + 1;
}

static int compare(const void *a, const void *b)
{
	return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, each with a space before it; to be freed. NULL: no memory. */
static char *join(struct names *names)
{
	char *text = malloc(names->bytes + 1), *at = text;
	size_t i;

	if (text != NULL) {
		if (names->count > 0)
			qsort(names->items, names->count, sizeof(*names->items),
			      compare);
		for (i = 0; i < names->count; i++) {
			*at++ = ' ';
			at = stpcpy(at, names->items[i]);
		}
		*at = '\0';
	}
	free(names->items);
	return text;
}

static void add_owner(const struct lined_registry_entry *entry, void *arg)
{
	struct names *names = arg;
	const struct chat_person *person =
		chat_people_find(names->chat, entry->owner);

	if (person != NULL)
		add(names, person->nickname);
}

/* Who does not know the key is not told who does. */
static bool is_hidden(struct chat_member *member, const char *room)
{
	const struct chat_room_options *options =
		chat_room_options(member->chat, room);

	return options != NULL && options->key[0] != '\0' &&
	       !member->is_operator && chat_seat_find(member, room) == NULL;
}

void chat_who(struct chat_member *member, const char *room)
{
	struct chat *chat = member->chat;
	struct names names = {.chat = chat};
	char prefix[CHAT_NAME_MAX + 8];
	char *text;

	if (!chat_text_is_room(room) ||
	    (chat_room_find(chat, room) == NULL &&
	     !chat_options_keep_room(chat_options(chat), room))) {
		chat_member_tell(member, "! no such room: %s", room);
		return;
	}
	if (is_hidden(member, room)) {
		chat_member_tell(member, "! %s needs a key", room);
		return;
	}
	snprintf(prefix, sizeof(prefix), CHAT_SEAT_PREFIX "%s/", room);
	lined_registry_list(chat->service, prefix, add_owner, &names);
	text = join(&names);
	if (text != NULL)
		chat_member_tell(member, "* %s:%s", room, text);
	free(text);
}

void chat_who_rooms(struct chat_member *member)
{
	struct chat *chat = member->chat;
	struct names names = {.chat = chat};
	const struct chat_room *room;
	size_t used = 0, size = 1, i;
	char *text;

	for (room = chat->first_room; room != NULL; room = room->next)
		if (room->count > 0)
			add(&names, room->name);
	if (names.count > 0)
		qsort(names.items, names.count, sizeof(*names.items), compare);
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
