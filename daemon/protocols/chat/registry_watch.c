/* SPDX-License-Identifier: MIT */
/*
 * Watches the entries of nicknames and seats. On all workers the same entries
 * are added and removed in the same order, so all workers count the same
 * members and have the same nicknames.
 */
#include "chat/registry_watch.h"

#include <stdio.h>
#include <string.h>

#include "chat/command_nick.h"
#include "chat/member.h"
#include "chat/name_syntax.h"
#include "chat/nicknames.h"
#include "chat/room.h"
#include "chat/room_seat.h"

static void watch_nickname(const struct lined_registry_entry *entry, bool here,
			   void *arg)
{
	struct chat *chat = arg;

	if (here) {
		chat_nicknames_came(chat, entry);
		chat_nick_came(chat, entry);
	} else {
		chat_nicknames_gone(chat, entry);
	}
	chat_member_entry_changed(chat, entry->owner, here);
}

/* The room of the entry "m/den/42", created if the entry was added. NULL: the
 * room does not exist, its name is bad, or there is no memory. */
static struct chat_room *watch_room(struct chat *chat, const char *entry,
				    bool here)
{
	const char *name = entry + strlen(CHAT_SEAT_PREFIX);
	/* One byte more than a room name, so that a longer one is refused. */
	char room[CHAT_NAME_MAX + 2];

	snprintf(room, sizeof(room), "%.*s", (int)strcspn(name, "/"), name);
	/* Check the name: it may come from another node. */
	if (!chat_name_is_room(room))
		return NULL;
	return here ? chat_room_get(chat, room) : chat_room_find(chat, room);
}

static void watch_seat(const struct lined_registry_entry *entry, bool here,
		       void *arg)
{
	struct chat *chat = arg;
	struct chat_room *room = watch_room(chat, entry->name, here);
	uint64_t owner = entry->owner;

	if (room != NULL && here) {
		room->count++;
	} else if (room != NULL && room->count > 0) {
		room->count--;
		chat_seat_gone(chat, room, owner);
		chat_room_free_unused(chat, room);
	}
	chat_member_entry_changed(chat, owner, here);
}

int chat_watch_open(struct chat *chat)
{
	chat->name_watch = lined_registry_watch(
		chat->service, CHAT_NICKNAME_PREFIX, watch_nickname, chat);
	chat->seat_watch = lined_registry_watch(chat->service, CHAT_SEAT_PREFIX,
						watch_seat, chat);
	return chat->name_watch != NULL && chat->seat_watch != NULL ? 0 : -1;
}

void chat_watch_close(struct chat *chat)
{
	lined_registry_unwatch(chat->name_watch);
	lined_registry_unwatch(chat->seat_watch);
}
