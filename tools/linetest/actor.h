/* SPDX-License-Identifier: MIT */
/*
 * A client of a transcript, or a server that the script plays: its connection,
 * the bytes sent and received, and how many of them the script has read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lined/socket.h>

#include "linetest/net_address.h"
#include "linetest/bytes.h"

/* Something that happened, for the text of a failure. */
struct actor_event {
	enum { ACTOR_SAID, ACTOR_SAW, ACTOR_NOTE } kind;
	size_t offset, len; /* ACTOR_SAID, ACTOR_SAW: in said, in seen */
	char *note;
};

struct actor {
	const char *name;
	struct lined_dispatcher *dispatcher;
	struct lined_socket *sock; /* NULL: no connection */
	struct web_client *web;    /* NULL: no WebSocket */
	bool is_datagram;
	struct net_address peer; /* where datagrams go */
	bool connected;
	bool eof;    /* the peer has closed its side, or the connection */
	bool failed; /* the connection was reset, or could not be made */
	int error;   /* errno of the last connection, 0: none */
	struct bytes said, seen, pending;
	size_t read;  /* how much of seen the script has read */
	size_t *ends; /* ends of datagrams without a line end */
	size_t end_count;
	bool skipping; /* after `...` */
	struct actor_event *events;
	size_t event_count;
	/* For a server. */
	struct lined_socket *listener;
	int *waiting; /* descriptors, the oldest first */
	size_t waiting_count;
};

/* A line that the actor received; valid until more is received. */
struct actor_line {
	const char *text;
	size_t len;
	size_t whole; /* with its line end */
};

void actor_init(struct actor *actor, const char *name,
		struct lined_dispatcher *d);
void actor_fini(struct actor *actor);

/* Starts to connect: connected or failed becomes true. */
void actor_connect(struct actor *actor, const struct net_address *address);

/* Listens; -1 and errno. Connections wait for actor_accept(). */
int actor_listen(struct actor *actor, const struct net_address *address);
/* Takes the oldest waiting connection. False: there is none. */
bool actor_accept(struct actor *actor);
/* Stops listening, and closes the waiting connections. */
void actor_deaf(struct actor *actor);

/* Sends bytes, at once as far as the system accepts them. Without a connection
 * they are only recorded as sent. */
void actor_write(struct actor *actor, const char *data, size_t len);

void actor_half_close(struct actor *actor);
void actor_close(struct actor *actor);
void actor_reset(struct actor *actor);

/* The next line that the script has not read. False: there is no whole line. */
bool actor_line(const struct actor *actor, struct actor_line *line);

/* How many bytes the script has not read. */
size_t actor_unread(const struct actor *actor);

/* Marks len more bytes as read. */
void actor_take(struct actor *actor, size_t len);

/* Whether nothing more can be received. */
bool actor_is_over(const struct actor *actor);

/* Adds an event; takes over the text. */
void actor_note(struct actor *actor, char *text);
