/* SPDX-License-Identifier: MIT */
/*
 * A room's history: its last messages, sorted by stamp. This order is the same
 * on every worker, unlike the order of arrival.
 */
#pragma once

#include <stddef.h>

#include "chat/event.h"

struct chat_member;
struct lined_service;
struct chat_line;

struct chat_history {
	struct chat_line *lines; /* oldest first */
	size_t count, capacity;
	size_t bytes; /* bytes of all messages */
};

/* Adds a message. If there are more than limit, drops the oldest. Charges the
 * service for the memory. */
void chat_history_add(struct lined_service *service,
		      struct chat_history *history,
		      const struct chat_event *event, size_t limit);

/* Drops the oldest messages beyond limit. */
void chat_history_trim(struct lined_service *service,
		       struct chat_history *history, size_t limit);

/* Drops the oldest messages: the fraction over/bytes of the history, but at
 * least one message. Returns the bytes of the dropped messages. */
size_t chat_history_give_up(struct lined_service *service,
			    struct chat_history *history, uint64_t over,
			    uint64_t bytes);

/* The most memory of a history of `limit` messages. */
uint64_t chat_history_memory_max(size_t limit, size_t line_length);

/* Sends the last `count` messages with their times, but only as many as fit
 * into half of the send queue. */
void chat_history_tell(const struct chat_history *history, const char *room,
		       struct chat_member *member, size_t count);

/* Sends one message, with its time. The message was sent before the member
 * joined, but has arrived later. */
void chat_history_tell_late(const struct chat_event *event,
			    struct chat_member *member);

void chat_history_fini(struct lined_service *service,
		       struct chat_history *history);
