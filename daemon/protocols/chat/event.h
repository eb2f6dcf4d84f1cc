/* SPDX-License-Identifier: MIT */
/*
 * Events: what members say and do, sent to all workers. An event is a header
 * line and a text. For most kinds the text is the line that clients get, so any
 * number of clients is sent one buffer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chat/chat.h"

enum chat_event_kind {
	CHAT_EVENT_MESSAGE = 'm',  /* to a room; into its history */
	CHAT_EVENT_NOTICE = 'n',   /* to rooms, once to each member, and `to`;
				    * number 1: not to `from` */
	CHAT_EVENT_PRIVATE = 'p',  /* to `to` */
	CHAT_EVENT_ANNOUNCE = 'a', /* to everyone */
	CHAT_EVENT_TOPIC = 't',    /* a notice that sets the topic */
	CHAT_EVENT_AWAY = 'w',     /* `from` is away (number 1), or back (0) */
	CHAT_EVENT_KICK = 'k', /* `to` must leave; text: after its nickname */
	CHAT_EVENT_MUTE = 'u', /* `to` is muted for number seconds */
	CHAT_EVENT_BAN = 'b',  /* name and `to`: banned (1), or not (0) */
};

/* Room for the names of all rooms of a member, separated by commas. */
#define CHAT_EVENT_ROOMS_MAX 2560

struct chat_event {
	enum chat_event_kind kind;
	uint64_t from, to; /* ids; 0: nobody */
	int64_t number;
	const char *rooms; /* one, or several with commas; NULL: none */
	const char *name;  /* the nickname of from, or as the kind says */
	/* The handler gets these, too. */
	bool received;  /* by the bus, later than it was sent */
	uint64_t stamp; /* microseconds of UTC; grows on each worker */
	struct lined_buffer *buffer; /* the text and its newline are here: */
	size_t offset, len;          /* in the buffer */
	/* The text and CRLF, made by chat_event_crlf() and freed after the
	 * handler has returned. */
	struct lined_buffer *crlf;
};

/* The text and CRLF, one buffer for all clients; NULL: no memory. */
struct lined_buffer *chat_event_crlf(struct chat_event *event);

/* Subscribes to the events of all workers. handler is called for each: within
 * chat_event_send() for an event of this worker, by the bus for an event of
 * another. The handler may send events. -1 with errno. */
int chat_events_open(struct chat *chat,
		     void (*handler)(struct chat *chat,
				     struct chat_event *event));
void chat_events_close(struct chat *chat);

/* Publishes an event to all workers and calls the handler of this worker. The
 * text is formatted; a newline is added. -1 with errno: nothing was
 * published. */
int chat_event_send(struct chat *chat, const struct chat_event *event,
		    const char *format, ...)
	__attribute__((format(printf, 3, 4)));
