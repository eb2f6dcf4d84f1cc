/* SPDX-License-Identifier: MIT */
/*
 * A room's history: its last messages, in the order of their stamps, which is
 * the same on every worker whatever order they arrived in.
 */
#ifndef CHAT_HISTORY_H
#define CHAT_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "chat/event.h"

struct chat_member;
struct chat_line;

struct chat_history {
	struct chat_line *lines; /* the oldest first */
	size_t count, room;
};

/* Keeps a message, and at most `limit` altogether. */
void chat_history_add(struct chat_history *history,
		      const struct chat_event *event, size_t limit);

/* Forgets what is more than that. */
void chat_history_trim(struct chat_history *history, size_t limit);

/* Sends the last `count`, with their times: the newest of them where they are
 * more than half of a send queue. */
void chat_history_tell(const struct chat_history *history, const char *room,
		       struct chat_member *member, size_t count);

/* A line of the room that was said before the member came, and is known here
 * only now. */
void chat_history_tell_late(const struct chat_event *event,
			    struct chat_member *member);

void chat_history_fini(struct chat_history *history);

#endif
