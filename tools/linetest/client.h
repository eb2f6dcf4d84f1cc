/* SPDX-License-Identifier: MIT */
/*
 * A client of a transcript, or a server that the transcript plays: its
 * connection, the bytes sent and received, and how many of them the steps have
 * read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <lined/socket.h>

#include "linetest/net_address.h"
#include "linetest/bytes.h"

/* Something that happened, for the text of a failure. */
struct client_event {
	enum { CLIENT_SAID, CLIENT_SAW, CLIENT_NOTE } kind;
	size_t offset, len; /* CLIENT_SAID: in `said`; CLIENT_SAW: in `seen` */
	char *note;
};

struct client {
	const char *name;
	struct lined_dispatcher *dispatcher;
	struct lined_socket *sock;    /* NULL: no connection */
	struct websocket_bridge *web; /* NULL: no WebSocket */
	bool is_datagram;
	struct net_address peer; /* the address of the last connect */
	bool connected;
	bool eof;  /* the peer has closed its side, or the connection */
	int error; /* errno of the last connection, 0: none */
	struct bytes said, seen, pending;
	size_t read;  /* how much of seen the steps have read */
	size_t *ends; /* where datagrams without LF end in `seen` */
	size_t end_count;
	bool skipping; /* a `...` was played: lines are skipped */
	struct client_event *events;
	size_t event_count;
	/* For a server only: */
	struct lined_socket *listener;
	int *waiting; /* descriptors, the oldest first */
	size_t waiting_count;
};

/* A line that the client received; valid until more is received. */
struct client_line {
	const char *text;
	size_t len;
	size_t whole; /* the length with the line end */
};

void client_init(struct client *client, const char *name,
		 struct lined_dispatcher *d);
void client_fini(struct client *client);

/* Starts to connect. Later `connected` becomes true or, after a failure, `sock`
 * becomes NULL. */
void client_connect(struct client *client, const struct net_address *address);

/* Listens; -1 and errno. Connections wait for client_accept(). */
int client_listen(struct client *client, const struct net_address *address);
/* Takes the oldest waiting connection. False: there is none. */
bool client_accept(struct client *client);
/* Stops listening, and closes the waiting connections. */
void client_deaf(struct client *client);

/* Sends bytes. The socket queues those that the system does not take at once.
 * Without a connection, the bytes are only recorded as sent. */
void client_write(struct client *client, const char *data, size_t len);

void client_half_close(struct client *client);
void client_close(struct client *client);
void client_reset(struct client *client);

/* The next line that the steps have not read. The end of a datagram also ends a
 * line. False: there is no whole line. */
bool client_line(const struct client *client, struct client_line *line);

/* How many bytes the steps have not read. */
size_t client_unread(const struct client *client);

/* Marks len more bytes as read. */
void client_take(struct client *client, size_t len);

/* Whether nothing more can be received. */
bool client_is_over(const struct client *client);

/* Adds an event with this text, which client_fini() frees. */
void client_note(struct client *client, char *text);
