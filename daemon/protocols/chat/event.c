/* SPDX-License-Identifier: MIT */
/*
 * Writing, publishing and reading events. An event of this worker is done at
 * once, and passed over when the bus brings it back: so everything that a
 * client sees of what it did itself comes before the answer to its next line.
 */
#include "chat/event.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "chat/deliver.h"

#define HEADER_MAX (CHAT_EVENT_ROOMS_MAX + 256)

/* No name of anything, and no part of one. */
#define NOTHING "."

/* Grows with every event of this worker, whatever the clock does. */
static uint64_t next_stamp(struct chat *chat)
{
	struct timespec now;
	uint64_t stamp;

	clock_gettime(CLOCK_REALTIME, &now);
	stamp = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	if (stamp <= chat->last_stamp)
		stamp = chat->last_stamp + 1;
	chat->last_stamp = stamp;
	return stamp;
}

static const char *or_nothing(const char *text)
{
	return text != NULL && text[0] != '\0' ? text : NOTHING;
}

static struct lined_buffer *encode(const struct chat *chat,
				   const struct chat_event *event,
				   const char *format, va_list args)
{
	char header[HEADER_MAX];
	struct lined_buffer *buffer;
	va_list again;
	int header_len, len;
	char *data;

	header_len =
		snprintf(header, sizeof(header),
			 "%c %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64
			 " %" PRId64 " %s %s\n",
			 (char)event->kind, chat->origin, event->stamp,
			 event->from, event->to, event->number,
			 or_nothing(event->rooms), or_nothing(event->name));
	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (len < 0)
		return NULL;
	buffer =
		lined_buffer_alloc((size_t)header_len + (size_t)len + 1, &data);
	if (buffer == NULL)
		return NULL;
	memcpy(data, header, (size_t)header_len);
	vsnprintf(data + header_len, (size_t)len + 1, format, args);
	data[header_len + len] = '\n';
	return buffer;
}

/* The words of an event's header, in what the caller keeps. */
struct header {
	char kind;
	uint64_t origin;
	char rooms[CHAT_EVENT_ROOMS_MAX];
	char name[64];
};

static int decode(struct lined_buffer *buffer, struct header *header,
		  struct chat_event *event)
{
	const char *data = lined_buffer_data(buffer);
	size_t len = lined_buffer_len(buffer);
	const char *end = memchr(data, '\n', len);
	char text[HEADER_MAX];

	if (end == NULL || (size_t)(end - data) >= sizeof(text))
		return -1;
	memcpy(text, data, (size_t)(end - data));
	text[end - data] = '\0';
	if (sscanf(text,
		   "%c %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNd64
		   " %2559s %63s",
		   &header->kind, &header->origin, &event->stamp, &event->from,
		   &event->to, &event->number, header->rooms,
		   header->name) != 8)
		return -1;
	event->kind = (enum chat_event_kind)header->kind;
	event->rooms = strcmp(header->rooms, NOTHING) != 0 ? header->rooms : "";
	event->name = strcmp(header->name, NOTHING) != 0 ? header->name : "";
	event->buffer = buffer;
	event->offset = (size_t)(end - data) + 1;
	event->len = len - event->offset;
	return 0;
}

int chat_event_send(struct chat *chat, const struct chat_event *event,
		    const char *format, ...)
{
	struct chat_event own = *event;
	struct header header;
	va_list args;
	int result;

	own.stamp = next_stamp(chat);
	va_start(args, format);
	own.buffer = encode(chat, &own, format, args);
	va_end(args);
	if (own.buffer == NULL)
		return -1;
	result = lined_bus_publish(chat->service, CHAT_EVENTS, own.buffer);
	if (result == 0 && decode(own.buffer, &header, &own) == 0)
		chat_deliver(chat, &own);
	else
		lined_service_count(chat->service, "events_dropped", 1);
	lined_buffer_unref(own.buffer);
	return result;
}

void chat_event_received(void *arg, struct lined_buffer *message)
{
	struct chat *chat = arg;
	struct chat_event event;
	struct header header;

	if (decode(message, &header, &event) < 0) {
		lined_service_count(chat->service, "events_bad", 1);
		return;
	}
	if (header.origin == chat->origin)
		return;
	event.received = true;
	chat_deliver(chat, &event);
}
