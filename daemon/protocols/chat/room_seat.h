/* SPDX-License-Identifier: MIT */
/*
 * A seat: a member in a room. All workers know a seat as the registry's entry
 * `m/ROOM/ID`. Only the member's own worker has this struct, to deliver what is
 * said in the room.
 */
#pragma once

#include "chat/member.h"
#include "chat/room.h"

#define CHAT_SEAT_PREFIX "m/"

/* The most rooms that a member may be in. */
#define CHAT_SEATS_MAX 64

/* The memory that a seat takes on each worker, roughly: the registry's entry,
 * and a room with no other seat. */
#define CHAT_SEAT_COST 512

struct chat_seat {
	struct chat_member *member;
	struct chat_room *room;
	struct chat_seat *next, *prev; /* in the room, on this worker */
	struct chat_seat *below; /* the seat that was current before this one */
	uint64_t mark;           /* lined_bus_mark() when the member joined */
	bool leaving;            /* the registry's entry is being released */
	char *kicked;    /* the text of CHAT_EVENT_KICK; NULL: not kicked */
	uint64_t kicker; /* id of the operator who waits for the notice */
};

/* NULL: the member is not in the room. */
struct chat_seat *chat_seat_find(const struct chat_member *member,
				 const char *room);

/* Executes /join: makes the room current, and claims a seat if the member has
 * none there. */
void chat_seat_join(struct chat_member *member, const char *room,
		    const char *key);

/* Announces a member in its rooms, unless already announced. */
void chat_seats_announce(struct chat_member *member);

/* Executes /part. */
void chat_seat_part(struct chat_seat *seat);

/* As chat_seat_part(), for an operator: the notice is the nickname followed by
 * `kicked`. */
void chat_seat_kick(struct chat_seat *seat, uint64_t kicker, const char *kicked,
		    size_t len);

/* Call this when the registry has removed the seat's entry. */
void chat_seat_gone(struct chat *chat, const struct chat_room *room,
		    uint64_t id);

void chat_seat_free(struct chat_seat *seat);
