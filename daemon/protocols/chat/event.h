/* SPDX-License-Identifier: MIT */
/*
 * Events: what members say and do, sent to all workers. An event is a header
 * line and a text. For most kinds the text is the line for clients, so that all
 * clients share one buffer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chat/chat.h"

enum chat_event_kind {
	CHAT_EVENT_MESSAGE = 'm',  /* a line to a room, kept in its history */
	CHAT_EVENT_NOTICE = 'n',   /* a line to rooms and to `to`; each member
				    * gets it once. `number` 1: not to `from`;
				    * 2: only on other nodes */
	CHAT_EVENT_PRIVATE = 'p',  /* a private line to `to` */
	CHAT_EVENT_ANNOUNCE = 'a', /* a line to all members */
	CHAT_EVENT_TOPIC = 't',    /* a notice that sets the topic */
	CHAT_EVENT_AWAY = 'w',     /* `from` is away (number 1), or back (0) */
	CHAT_EVENT_KICK = 'k',     /* `to` must leave; the text is the notice,
				    * without the nickname at its start */
	CHAT_EVENT_MUTE = 'u',     /* `to` is muted for `number` seconds */
	CHAT_EVENT_BAN = 'b', /* `name` and `to` are banned (number 1), or no
			       * longer (0) */
};

/* The number of a notice that only other nodes deliver. */
#define CHAT_NOTICE_ELSEWHERE 2

/* Room for the names of all rooms of a member, with commas between them. */
#define CHAT_EVENT_ROOMS_MAX 2560

struct chat_event {
	enum chat_event_kind kind;
	uint64_t from, to; /* ids; 0: nobody */
	int64_t number;
	const char *rooms; /* room names, with commas; NULL or "": none */
	const char *name;  /* nickname of `from`, unless said above */
	/* Set for the handler: */
	bool received;  /* it came from another worker */
	uint64_t stamp; /* microseconds of UTC; increases on each worker */
	struct lined_buffer *buffer; /* contains the text and its newline */
	size_t offset, len;          /* where the text is in buffer */
	/* The text with CRLF: made by chat_event_crlf(), freed after the
	 * handler. */
	struct lined_buffer *crlf;
};

/* The text with CRLF, one buffer for all clients; NULL: no memory. */
struct lined_buffer *chat_event_crlf(struct chat_event *event);

/* Subscribes to the events of all workers and calls handler for each: for
 * events of this worker within chat_event_send(), for others when the bus
 * delivers them. The handler may send events. -1 with errno. */
int chat_events_open(struct chat *chat,
		     void (*handler)(struct chat *chat,
				     struct chat_event *event));
void chat_events_close(struct chat *chat);

/* Publishes an event to all workers and calls this worker's handler. Formats
 * the text and adds a newline. -1 with errno: nothing was published. */
int chat_event_send(struct chat *chat, const struct chat_event *event,
		    const char *format, ...)
	__attribute__((format(printf, 3, 4)));
