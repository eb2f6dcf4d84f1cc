/* SPDX-License-Identifier: MIT */
/*
 * A seat: a member in a room. All workers know the seat as the entry
 * `m/ROOM/ID` of the registry. Only the member's own worker has this struct,
 * and delivers by it.
 */
#pragma once

#include "chat/member.h"
#include "chat/room.h"

#define CHAT_SEAT_PREFIX "m/"

/* The most rooms that a member may be in. */
#define CHAT_SEATS_MAX 64

struct chat_seat {
	struct chat_member *member;
	struct chat_room *room;
	struct chat_seat *next, *prev; /* in the room, on this worker */
	struct chat_seat *below; /* the member's seat that was current before */
	uint64_t mark;           /* lined_bus_mark() when the member joined */
	bool leaving;            /* its entry is being released */
	char *kicked;    /* the text of CHAT_EVENT_KICK; NULL: it left */
	uint64_t kicker; /* the operator, which waits for the notice */
};

/* NULL: the member is not in the room. */
struct chat_seat *chat_seat_find(const struct chat_member *member,
				 const char *room);

/* /join: makes the room the current one. If the member is not in it, claims a
 * seat. */
void chat_seat_join(struct chat_member *member, const char *room,
		    const char *key);

/* Announces a member to the others in its rooms, unless that was done before.
 */
void chat_seats_announce(struct chat_member *member);

/* /part */
void chat_seat_part(struct chat_seat *seat);

/* The same by an operator; the notice is the nickname, then `kicked`. */
void chat_seat_kick(struct chat_seat *seat, uint64_t kicker, const char *kicked,
		    size_t len);

/* To be called when the registry has removed the entry of the seat. */
void chat_seat_gone(struct chat *chat, const struct chat_room *room,
		    uint64_t id);

void chat_seat_free(struct chat_seat *seat);
