/* SPDX-License-Identifier: MIT */
/*
 * Keeps references to the buffers of messages: a line sent to a thousand
 * members is in memory once.
 */
#include "chat/history.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chat/member.h"

/* Length of " 12:04". */
#define CLOCK_LEN 6

/* The bytes of a message in addition to its text. */
#define EVENT_MAX 512

struct chat_line {
	uint64_t stamp, from;
	struct lined_buffer *buffer;
	size_t offset, len;
};

static struct chat_line history_line(const struct chat_event *event)
{
	return (struct chat_line){
		.stamp = event->stamp,
		.from = event->from,
		.buffer = event->buffer,
		.offset = event->offset,
		.len = event->len,
	};
}

static bool history_is_later(const struct chat_line *line,
			     const struct chat_event *event)
{
	return line->stamp > event->stamp ||
	       (line->stamp == event->stamp && line->from > event->from);
}

static void history_count_dropped(struct lined_service *service, size_t lines)
{
	if (lines > 0)
		lined_service_count(service, "history_lines_dropped", lines);
}

void chat_history_trim(struct lined_service *service,
		       struct chat_history *history, size_t limit)
{
	size_t excess, i;

	if (history->count <= limit)
		return;
	excess = history->count - limit;
	for (i = 0; i < excess; i++) {
		history->bytes -= lined_buffer_len(history->lines[i].buffer);
		lined_service_unkeep(service, history->lines[i].buffer);
	}
	history->count = limit;
	memmove(history->lines, history->lines + excess,
		limit * sizeof(*history->lines));
}

size_t chat_history_give_up(struct lined_service *service,
			    struct chat_history *history, uint64_t over,
			    uint64_t bytes)
{
	size_t before = history->bytes, lines = history->count;
	uint64_t drop = bytes > 0 ? (history->count * over + bytes - 1) / bytes
				  : history->count;

	chat_history_trim(service, history,
			  drop < history->count ? history->count - drop : 0);
	history_count_dropped(service, lines - history->count);
	return before - history->bytes;
}

/* A kept message is an event: a header, the room's name, the line. */
uint64_t chat_history_memory_max(size_t limit, size_t line_length)
{
	return (uint64_t)limit *
	       (2 * sizeof(struct chat_line) + EVENT_MAX + line_length);
}

static int history_grow(struct lined_service *service,
			struct chat_history *history)
{
	size_t capacity = history->capacity > 0 ? history->capacity * 2 : 16;
	struct chat_line *lines;

	if (history->count < history->capacity)
		return 0;
	lines = realloc(history->lines, capacity * sizeof(*lines));
	if (lines == NULL)
		return -1;
	lined_service_charge(service, (int64_t)((capacity - history->capacity) *
						sizeof(*lines)));
	history->lines = lines;
	history->capacity = capacity;
	return 0;
}

void chat_history_add(struct lined_service *service,
		      struct chat_history *history,
		      const struct chat_event *event, size_t limit)
{
	size_t at = history->count;

	/* When memory is short, the oldest message makes room for the new
	 * message. In an empty history the new message is not kept.
	 */
	if (limit > history->count &&
	    !lined_service_may_keep(service, lined_buffer_len(event->buffer))) {
		limit = history->count;
		history_count_dropped(service, 1);
	}
	if (limit == 0 || history_grow(service, history) < 0)
		return;
	while (at > 0 && history_is_later(&history->lines[at - 1], event))
		at--;
	memmove(&history->lines[at + 1], &history->lines[at],
		(history->count - at) * sizeof(*history->lines));
	history->lines[at] = history_line(event);
	lined_service_keep(service, event->buffer);
	history->bytes += lined_buffer_len(event->buffer);
	history->count++;
	chat_history_trim(service, history, limit);
}

/* Sends "[den] <alice> text" as "[den 12:04] <alice> text". */
static void history_tell_line(const struct chat_line *line, const char *room,
			      struct chat_member *member)
{
	const char *text = lined_buffer_data(line->buffer) + line->offset;
	size_t skip = strlen("[") + strlen(room);
	time_t seconds = (time_t)(line->stamp / 1000000);
	struct tm tm;

	if (line->len <= skip || gmtime_r(&seconds, &tm) == NULL)
		return;
	chat_member_tell(member, "[%s %02d:%02d%.*s", room, tm.tm_hour,
			 tm.tm_min, (int)(line->len - skip - 1), text + skip);
}

/* How many bytes of history a member may be sent now: half of its send queue
 * stays free for new messages. */
static size_t history_budget(const struct chat_member *member)
{
	size_t limit = lined_socket_limits(member->socket)->send_queue;
	size_t queued = lined_socket_queued(member->socket);

	if (limit == 0)
		return SIZE_MAX;
	return limit / 2 > queued ? limit / 2 - queued : 0;
}

void chat_history_tell(const struct chat_history *history, const char *room,
		       struct chat_member *member, size_t count)
{
	size_t first = history->count, left, i;

	if (member->socket == NULL)
		return;
	left = history_budget(member);
	while (first > 0 && count > 0) {
		const struct chat_line *line = &history->lines[first - 1];
		size_t len = chat_member_ignores(member, line->from)
				     ? 0
				     : line->len + CLOCK_LEN;

		if (len > left)
			break;
		left -= len;
		first--;
		count--;
	}
	for (i = first; i < history->count; i++)
		if (!chat_member_ignores(member, history->lines[i].from))
			history_tell_line(&history->lines[i], room, member);
}

void chat_history_tell_late(const struct chat_event *event,
			    struct chat_member *member)
{
	const struct chat_line line = history_line(event);

	if (!chat_member_ignores(member, line.from))
		history_tell_line(&line, event->rooms, member);
}

void chat_history_fini(struct lined_service *service,
		       struct chat_history *history)
{
	chat_history_trim(service, history, 0);
	lined_service_charge(service, -(int64_t)(history->capacity *
						 sizeof(*history->lines)));
	free(history->lines);
}
