/* SPDX-License-Identifier: MIT */
/*
 * A seat: a member in a room. In the registry it is the entry `m/ROOM/ID`;
 * here, on the member's own worker, it is what messages are delivered by.
 */
#ifndef CHAT_SEAT_H
#define CHAT_SEAT_H

#include "chat/member.h"
#include "chat/room.h"

#define CHAT_SEAT_PREFIX "m/"

/* In how many rooms a member may be. */
#define CHAT_SEATS_MAX 64

struct chat_seat {
	struct chat_member *member;
	struct chat_room *room;
	struct chat_seat *next, *prev; /* in the room, on this worker */
	struct chat_seat *below;       /* of the member, joined before */
	uint64_t mark;   /* the bus's: what is before it was not for this one */
	bool leaving;    /* until the registry has let the entry go */
	char *kicked;    /* what is told then; NULL: that it left */
	uint64_t kicker; /* who waits for it */
};

/* NULL: it is not in the room. */
struct chat_seat *chat_seat_find(const struct chat_member *member,
				 const char *room);

/* /join: makes the room current, or asks for a seat. */
void chat_seat_ask(struct chat_member *member, const char *room,
		   const char *key);

/* /part */
void chat_seat_leave(struct chat_seat *seat);

/* The same, on an operator's request; `kicked` is what is told, after the
 * nickname, without a newline. */
void chat_seat_kick(struct chat_seat *seat, uint64_t kicker, const char *kicked,
		    size_t len);

/* The watch has told that the entry has gone. */
void chat_seat_gone(struct chat *chat, const struct chat_room *room,
		    uint64_t id);

void chat_seat_free(struct chat_seat *seat);

#endif
