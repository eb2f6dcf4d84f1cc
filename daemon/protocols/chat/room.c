/* SPDX-License-Identifier: MIT */
/*
 * Finds, creates and frees rooms, and sets topics and bans. If two workers
 * change the same topic or ban at the same time, the later stamp wins on all
 * workers.
 */
#include "chat/room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "chat/charged_memory.h"
#include "chat/member.h"

struct chat_ban {
	struct chat_ban *next;
	char nickname[CHAT_NAME_MAX + 1];
	uint64_t id; /* the member's id: a new nickname does not help */
	uint64_t stamp;
	bool lifted;
};

static int room_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

struct chat_room *chat_room_find(struct chat *chat, const char *name)
{
	return chat_find(&chat->rooms, name, room_compare);
}

struct chat_room *chat_room_get(struct chat *chat, const char *name)
{
	struct chat_room *room = chat_room_find(chat, name);

	if (room != NULL)
		return room;
	room = chat_alloc(chat, sizeof(*room));
	if (room == NULL)
		return NULL;
	snprintf(room->name, sizeof(room->name), "%s", name);
	if (tsearch(room, &chat->rooms, room_compare) == NULL) {
		chat_free(chat, room, sizeof(*room));
		return NULL;
	}
	return room;
}

struct room_search {
	const char *after;
	struct chat_room **next;
};

/* Never returns 0, so that tfind(3) descends to a leaf. The last room above
 * `after` on the way down is the next room. */
static int room_compare_after(const void *key, const void *room)
{
	const struct room_search *search = key;

	if (strcmp(search->after, room) >= 0)
		return 1;
	*search->next = (struct chat_room *)(uintptr_t)room;
	return -1;
}

struct chat_room *chat_room_next(struct chat *chat, const char *name)
{
	struct chat_room *next = NULL;
	const struct room_search search = {name, &next};

	tfind(&search, &chat->rooms, room_compare_after);
	return next;
}

static void room_free(struct chat *chat, struct chat_room *room)
{
	struct chat_ban *ban;

	tdelete(room, &chat->rooms, room_compare);
	while ((ban = room->bans) != NULL) {
		room->bans = ban->next;
		chat_free(chat, ban, sizeof(*ban));
	}
	chat_history_fini(chat->service, &room->history);
	chat_drop_text(chat, room->topic);
	chat_free(chat, room, sizeof(*room));
}

void chat_room_free_unused(struct chat *chat, struct chat_room *room)
{
	if (room->count == 0 && room->seats == NULL &&
	    !chat_options_keep_room(chat_options(chat), room->name))
		room_free(chat, room);
}

/* ---- topic and history ------------------------------------------------- */

void chat_room_set_topic(struct chat *chat, const struct chat_event *event)
{
	struct chat_room *room = chat_room_find(chat, event->rooms);
	const char *line = lined_buffer_data(event->buffer) + event->offset;
	/* Skip "* alice set the topic of den: "; the text and a newline follow.
	 */
	size_t skip = strlen("*  set the topic of : ") + strlen(event->name) +
		      strlen(event->rooms);
	char *topic;

	if (room == NULL || event->len <= skip ||
	    event->stamp < room->topic_stamp ||
	    (event->stamp == room->topic_stamp &&
	     event->from < room->topic_from))
		return;
	topic = chat_keep_text(chat, line + skip, event->len - skip - 1);
	if (topic == NULL)
		return;
	chat_drop_text(chat, room->topic);
	room->topic = topic;
	room->topic_stamp = event->stamp;
	room->topic_from = event->from;
}

void chat_room_tell_topic(struct chat *chat, const struct chat_room *room,
			  struct chat_member *member)
{
	const struct chat_room_options *options =
		chat_options_room(chat_options(chat), room->name);
	const char *topic = room->topic;

	if (topic == NULL && options != NULL && options->topic[0] != '\0')
		topic = options->topic;
	if (topic != NULL)
		chat_member_tell(member, "* topic of %s: %s", room->name,
				 topic);
}

void chat_room_remember(struct chat *chat, const struct chat_event *event)
{
	struct chat_room *room = chat_room_find(chat, event->rooms);

	if (room != NULL)
		chat_history_add(chat->service, &room->history, event,
				 (size_t)chat_options(chat)->history);
}

/* ---- bans -------------------------------------------------------------- */

static struct chat_ban *ban_find(const struct chat_room *room,
				 const char *nickname)
{
	struct chat_ban *ban = room->bans;

	while (ban != NULL && strcasecmp(ban->nickname, nickname) != 0)
		ban = ban->next;
	return ban;
}

/* If the event names a member by id, lifts that member's bans, whatever their
 * nicknames. */
static void ban_lift_others(struct chat_room *room,
			    const struct chat_event *event)
{
	struct chat_ban *ban;

	for (ban = room->bans; ban != NULL; ban = ban->next)
		if (event->to != 0 && ban->id == event->to &&
		    ban->stamp <= event->stamp)
			ban->lifted = true;
}

void chat_room_ban(struct chat *chat, const struct chat_event *event)
{
	struct chat_room *room = chat_room_find(chat, event->rooms);
	struct chat_ban *ban;

	if (room == NULL)
		return;
	if (event->number == 0)
		ban_lift_others(room, event);
	ban = ban_find(room, event->name);
	if (ban == NULL) {
		ban = chat_alloc(chat, sizeof(*ban));
		if (ban == NULL)
			return;
		snprintf(ban->nickname, sizeof(ban->nickname), "%s",
			 event->name);
		ban->next = room->bans;
		room->bans = ban;
	}
	if (event->stamp < ban->stamp)
		return;
	ban->stamp = event->stamp;
	ban->id = event->to;
	ban->lifted = event->number == 0;
}

bool chat_room_is_banned(const struct chat_room *room, uint64_t id,
			 const char *nickname)
{
	const struct chat_ban *ban = room != NULL ? room->bans : NULL;

	for (; ban != NULL; ban = ban->next)
		if (!ban->lifted && (strcasecmp(ban->nickname, nickname) == 0 ||
				     (id != 0 && ban->id == id)))
			return true;
	return false;
}

/* ---- all rooms --------------------------------------------------------- */

void chat_rooms_reload(struct chat *chat)
{
	size_t limit = (size_t)chat_options(chat)->history;
	struct chat_room *room = chat_room_next(chat, ""), *next;

	for (; room != NULL; room = next) {
		next = chat_room_next(chat, room->name);
		chat_history_trim(chat->service, &room->history, limit);
		chat_room_free_unused(chat, room);
	}
}

void chat_rooms_give_up(struct chat *chat, uint64_t bytes)
{
	struct chat_room *room = chat_room_next(chat, "");
	uint64_t kept = 0, freed = 0;

	for (; room != NULL; room = chat_room_next(chat, room->name))
		kept += room->history.bytes;
	room = chat_room_next(chat, "");
	for (; room != NULL && freed < bytes;
	     room = chat_room_next(chat, room->name))
		freed += chat_history_give_up(chat->service, &room->history,
					      bytes, kept);
}

void chat_rooms_free(struct chat *chat)
{
	while (chat->rooms != NULL)
		room_free(chat, *(struct chat_room **)chat->rooms);
}
