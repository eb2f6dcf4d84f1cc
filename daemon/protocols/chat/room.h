/* SPDX-License-Identifier: MIT */
/*
 * Rooms as one worker knows them: the number of members on all workers, the
 * seats of this worker's members, topic, history and bans. A room exists while
 * it has members; a room that the config names always exists.
 */
#pragma once

#include "chat/chat.h"
#include "chat/event.h"
#include "chat/history.h"
#include "chat/name_syntax.h"

struct chat_ban;
struct chat_member;
struct chat_seat;

struct chat_room {
	char name[CHAT_NAME_MAX + 1]; /* must be first, see chat_find() */
	size_t count;                 /* members on all workers */
	struct chat_seat *seats;      /* seats of this worker's members */
	char *topic;                  /* NULL: the config's topic, if any */
	uint64_t topic_stamp, topic_from;
	struct chat_history history;
	struct chat_ban *bans;
};

/* chat_room_find() returns NULL if the room does not exist. chat_room_get()
 * then creates it; NULL: no memory. */
struct chat_room *chat_room_find(struct chat *chat, const char *name);
struct chat_room *chat_room_get(struct chat *chat, const char *name);

/* The room with the next name in alphabetical order; NULL: none. */
struct chat_room *chat_room_next(struct chat *chat, const char *name);

/* Frees a room without members, unless the config names it. */
void chat_room_free_unused(struct chat *chat, struct chat_room *room);

void chat_room_set_topic(struct chat *chat, const struct chat_event *event);
void chat_room_tell_topic(struct chat *chat, const struct chat_room *room,
			  struct chat_member *member);

/* Keeps a message in its room's history. */
void chat_room_remember(struct chat *chat, const struct chat_event *event);

/* Applies a CHAT_EVENT_BAN. */
void chat_room_ban(struct chat *chat, const struct chat_event *event);
/* Whether a ban matches the nickname or the id; id 0: compares only the
 * nickname. The room may be NULL. */
bool chat_room_is_banned(const struct chat_room *room, uint64_t id,
			 const char *nickname);

/* Applies changed options to all rooms. */
void chat_rooms_reload(struct chat *chat);
/* Drops about `bytes` of the oldest messages in all histories, because memory
 * is short. */
void chat_rooms_give_up(struct chat *chat, uint64_t bytes);

void chat_rooms_free(struct chat *chat);
