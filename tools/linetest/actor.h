/* SPDX-License-Identifier: MIT */
/*
 * A client of a transcript, or a server that the script plays: its connection,
 * what it said, what it was sent, and how far the script has read of that.
 * Decides nothing; the player asks.
 */
#ifndef LINETEST_ACTOR_H
#define LINETEST_ACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/socket.h>

#include "linetest/net_address.h"
#include "linetest/bytes.h"

/* One thing that happened, in the order of its happening. */
struct actor_event {
	enum { ACTOR_SAID, ACTOR_SAW, ACTOR_NOTE } kind;
	size_t offset, len; /* ACTOR_SAID, ACTOR_SAW: in said, in seen */
	char *note;
};

struct actor {
	const char *name;
	struct lined_dispatcher *dispatcher;
	struct lined_socket *sock; /* NULL: no connection */
	bool is_datagram;
	struct net_address peer; /* where datagrams go */
	bool connected;
	bool eof;    /* the peer has ended its side, or all of it */
	bool failed; /* the connection was reset, or never stood */
	int error;   /* the errno of that */
	struct bytes said, seen, pending;
	size_t read;  /* how much of seen the script has been through */
	size_t *ends; /* where datagrams without a line's end end, in seen */
	size_t end_count;
	bool skipping; /* after `...` */
	struct actor_event *events;
	size_t event_count;
	/* As a server. */
	struct lined_socket *listener;
	int *waiting; /* descriptors, the oldest first */
	size_t waiting_count;
};

/* A line that was sent to it, borrowed until it is sent more. */
struct actor_line {
	const char *text;
	size_t len;
	size_t whole; /* with what ends it */
};

void actor_init(struct actor *actor, const char *name,
		struct lined_dispatcher *d);
void actor_fini(struct actor *actor);

/* Begins to connect: actor->connected or actor->failed becomes true. */
void actor_connect(struct actor *actor, const struct net_address *address);

/* Listens; -1 and errno. From then on who comes waits to be accepted. */
int actor_listen(struct actor *actor, const struct net_address *address);
/* The oldest that waits becomes the connection. False: nobody does. */
bool actor_accept(struct actor *actor);
void actor_deaf(struct actor *actor);

/* Writes bytes, at once as far as the system takes them: into a connection
 * that is gone they go unheard. */
void actor_write(struct actor *actor, const char *data, size_t len);

void actor_half_close(struct actor *actor);
void actor_close(struct actor *actor);
void actor_reset(struct actor *actor);

/* The next line that the script has not read. False: there is no whole one. */
bool actor_line(const struct actor *actor, struct actor_line *line);

/* How many bytes there are that the script has not read. */
size_t actor_unread(const struct actor *actor);

/* Moves over bytes that the script has read. */
void actor_take(struct actor *actor, size_t len);

/* Nothing can come any more. */
bool actor_is_over(const struct actor *actor);

/* Remembers something for the report; takes over the text. */
void actor_note(struct actor *actor, char *text);

#endif
