/* SPDX-License-Identifier: MIT */
/*
 * Encodes, publishes and decodes events. An event of this worker is handled at
 * once, so that a client sees the effect of its line before the answer to its
 * next line. The copy from the bus is then ignored.
 */
#include "chat/event.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <lined/bus.h>
#include <lined/text.h>

/* One topic for all events, so that their order is kept. */
#define EVENT_TOPIC "chat"

#define HEADER_MAX (CHAT_EVENT_ROOMS_MAX + 256)

/* Stands for an empty word: no name contains it. */
#define NOTHING "."

/* How far an event's stamp may be ahead of the clock, in microseconds: a
 * hundred years. A node without a clock of its own may start in 1970. */
#define STAMP_AHEAD_MAX (UINT64_C(100) * 365 * 24 * 60 * 60 * 1000000)

static uint64_t event_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Returns a stamp above those of all events sent or seen here, even if the
 * clock was set back. So the later of two topics of a room wins. */
static uint64_t event_next_stamp(struct chat *chat)
{
	uint64_t stamp = event_clock();

	if (stamp <= chat->last_stamp)
		stamp = chat->last_stamp + 1;
	chat->last_stamp = stamp;
	return stamp;
}

static const char *event_word(const char *text)
{
	return text != NULL && text[0] != '\0' ? text : NOTHING;
}

static struct lined_buffer *event_encode(const struct chat *chat,
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
			 event_word(event->rooms), event_word(event->name));
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

/* A decoded header line. The names in a decoded event point into it. */
struct event_header {
	char kind;
	uint64_t origin;
	char rooms[CHAT_EVENT_ROOMS_MAX];
	char name[64];
};

static int event_decode(struct lined_buffer *buffer,
			struct event_header *header, struct chat_event *event)
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

struct lined_buffer *chat_event_crlf(struct chat_event *event)
{
	const char *text = lined_buffer_data(event->buffer) + event->offset;
	char *data;

	if (event->crlf != NULL)
		return event->crlf;
	event->crlf = lined_buffer_alloc(event->len + 1, &data);
	if (event->crlf != NULL) {
		memcpy(data, text, event->len - 1);
		memcpy(data + event->len - 1, "\r\n", 2);
	}
	return event->crlf;
}

static void event_handle(struct chat *chat, struct chat_event *event)
{
	event->crlf = NULL;
	chat->handle_event(chat, event);
	lined_buffer_unref(event->crlf);
}

int chat_event_send(struct chat *chat, const struct chat_event *event,
		    const char *format, ...)
{
	struct chat_event own = *event;
	struct event_header header;
	va_list args;
	int result;

	own.stamp = event_next_stamp(chat);
	va_start(args, format);
	own.buffer = event_encode(chat, &own, format, args);
	va_end(args);
	if (own.buffer == NULL)
		return -1;
	result = lined_bus_publish(chat->service, EVENT_TOPIC, own.buffer);
	if (result == 0 && event_decode(own.buffer, &header, &own) == 0)
		event_handle(chat, &own);
	else
		lined_service_count(chat->service, "events_dropped", 1);
	lined_buffer_unref(own.buffer);
	return result;
}

/* Whether the event's text and names may be sent to clients. An event may come
 * from another node, and so from any program that can publish on NATS. */
static bool event_is_clean(const struct chat_event *event)
{
	const char *text = lined_buffer_data(event->buffer) + event->offset;

	return event->len > 0 && text[event->len - 1] == '\n' &&
	       lined_text_is_clean(text, event->len - 1) &&
	       lined_text_is_clean(event->rooms, strlen(event->rooms)) &&
	       lined_text_is_clean(event->name, strlen(event->name));
}

static void event_received(void *arg, struct lined_buffer *message)
{
	struct chat *chat = arg;
	struct chat_event event;
	struct event_header header;

	if (event_decode(message, &header, &event) < 0 ||
	    !event_is_clean(&event) ||
	    event.stamp > event_clock() + STAMP_AHEAD_MAX) {
		lined_service_count(chat->service, "events_bad", 1);
		return;
	}
	if (header.origin == chat->origin)
		return;
	/* Later stamps here must be above this stamp, whatever the clock says.
	 * Otherwise a node whose clock is ahead could set a topic or a ban that
	 * no other node can change. */
	if (event.stamp > chat->last_stamp)
		chat->last_stamp = event.stamp;
	event.received = true;
	event_handle(chat, &event);
}

int chat_events_open(struct chat *chat,
		     void (*handler)(struct chat *chat,
				     struct chat_event *event))
{
	if (getrandom(&chat->origin, sizeof(chat->origin), 0) !=
	    (ssize_t)sizeof(chat->origin))
		return -1;
	chat->handle_event = handler;
	chat->events = lined_bus_subscribe(chat->service, EVENT_TOPIC,
					   event_received, chat);
	return chat->events != NULL ? 0 : -1;
}

void chat_events_close(struct chat *chat)
{
	lined_bus_unsubscribe(chat->events);
}
