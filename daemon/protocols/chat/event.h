/* SPDX-License-Identifier: MIT */
/*
 * Events: what is said and done, as it travels to all workers. An event is a
 * line of header and the text, which for most kinds is the very line that
 * clients get, so that it is sent to any number of them without a copy.
 */
#ifndef CHAT_EVENT_H
#define CHAT_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chat/chat.h"

enum chat_event_kind {
	CHAT_EVENT_MESSAGE = 'm',  /* to a room; into its history */
	CHAT_EVENT_NOTICE = 'n',   /* to rooms, once to each member, and `to` */
	CHAT_EVENT_PRIVATE = 'p',  /* to `to` */
	CHAT_EVENT_ANNOUNCE = 'a', /* to everyone */
	CHAT_EVENT_TOPIC = 't',    /* a notice that sets the topic */
	CHAT_EVENT_AWAY = 'w',     /* `from` is away (number 1); text: why */
	CHAT_EVENT_KICK = 'k',     /* `to` is to leave; text: reason */
	CHAT_EVENT_MUTE = 'u',     /* `to` is muted for number seconds */
	CHAT_EVENT_BAN = 'b',      /* name and `to` banned (number 1) or not */
};

/* A member's rooms, with commas. */
#define CHAT_EVENT_ROOMS_MAX 2560

struct chat_event {
	enum chat_event_kind kind;
	uint64_t from, to; /* ids; 0: nobody */
	int64_t number;
	const char *rooms; /* one, or several with commas; NULL: none */
	const char *name;  /* the nickname of from, or as the kind says */
	/* Of an event received: microseconds of UTC, and the text in the
	 * buffer, a newline at its end. */
	bool received; /* by the bus: it was sent a while ago */
	uint64_t stamp;
	struct lined_buffer *buffer;
	size_t offset, len;
};

/*
 * Subscribes to the events of all workers. handler is called for each of them:
 * for this worker's own within chat_event_send(), for the others' by the bus;
 * it may send events itself. -1 with errno.
 */
int chat_events_open(struct chat *chat,
		     void (*handler)(struct chat *chat,
				     const struct chat_event *event));
void chat_events_close(struct chat *chat);

/*
 * Publishes an event to all workers and calls the handler of this one. The
 * text is formatted and gets a newline. -1 with errno: nothing was published.
 */
int chat_event_send(struct chat *chat, const struct chat_event *event,
		    const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
