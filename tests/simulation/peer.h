/* SPDX-License-Identifier: MIT */
/*
 * A peer: a program on another host, a client of lined or a server that lined
 * connects to. The seed decides when it writes and reads, how much at a time,
 * and how it leaves. Its kind says what it sends.
 *
 * Speech: each peer numbers its lines, and the bytes of a line depend only on
 * its speaker and number, so that a receiver recognizes a torn, missing,
 * repeated or misplaced line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/socket.h>

#include "net.h"

enum { PEERS = 96, PEER_LINES = 48, PEER_LINE_MAX = 1024, PEER_NICKS = 16 };

struct peer;

struct peer_kind {
	const char *name;
	/* Queues what it says next. Not called after it has half-closed. */
	void (*speak)(struct peer *peer);
	/* A whole line, without its LF, ended by a NUL. */
	void (*hear)(struct peer *peer, char *text, size_t len);
	/* The other side has ended the connection; NULL: nothing to check. */
	void (*ended)(struct peer *peer);
	/* Checked when nothing moves any more; NULL. */
	void (*settled)(struct peer *peer);
	/* It does not leave by itself; NULL: it may. */
	bool (*stays)(void);
	/* The server behind lined may end after half a line. */
	bool may_be_cut;
};

struct peer {
	const struct peer_kind *kind;
	unsigned id;
	struct net_stream *stream; /* NULL: it has gone */
	unsigned end;              /* its end of the stream */
	bool open;                 /* connected, as it knows */
	bool stalled;              /* it does not read */
	bool finished;             /* it has half-closed */
	bool left;                 /* closed or reset by itself */
	bool was_reset, was_ended; /* by the other side */
	bool was_taken;            /* then: the other side had read all */
	char out[8192];            /* to be written */
	size_t out_start, out_len;
	char line[2 * PEER_LINE_MAX]; /* the beginning of one */
	size_t line_len;
	unsigned spoken, heard; /* lines */
	uint64_t spoken_at[PEER_LINES];
	uint64_t heard_of[PEERS];   /* a bit for each line of that speaker */
	unsigned heard_last[PEERS]; /* the number behind the last one */

	/* As lined sees it. */
	uint64_t accepted_at; /* 0: it was not */
	uint64_t accepted_ns;
	uint64_t client;  /* its id */
	uint64_t service; /* machine_service_key() of its service */
	unsigned cluster; /* its service is one with those of this number
			   * on other machines; 0: with none */
	unsigned opens, closes;
	enum lined_close_reason reason;
	uint64_t closed_ns;

	/* The state of a client of chat, as the client knows it. */
	struct {
		char nick[40]; /* "": not told yet */
		/* Asked for and not answered yet, the first one first: of
		 * chat_names. */
		unsigned char nicks[PEER_NICKS], answered;
		unsigned nicks_asked;
		bool lossy; /* lined has refused something */
		bool quit;
		unsigned rooms[4], room_count; /* the current one last */
		unsigned joins_asked[4];       /* by room: not answered yet */
		uint64_t joined_at[4];         /* by room; 0: not in it */
		unsigned char spoken_in[PEER_LINES]; /* rooms */
	} chat;
};

extern struct peer peers[PEERS];
extern unsigned peer_count;

void peers_begin(void);

/* Another peer, which connects to a port, or has been connected to. NULL: too
 * many. */
struct peer *peer_connect(const struct peer_kind *kind, uint16_t port);
struct peer *peer_accepted(const struct peer_kind *kind,
			   struct net_stream *stream);

/* Does something. With calm, only what ends what it has begun. False: there is
 * nothing. */
bool peer_act(struct peer *peer, bool calm);

/* One of all. */
bool peers_act(bool calm);

void peer_say(struct peer *peer, const char *text);
/* The next line of its speech, behind a prefix; false: it has said enough. */
bool peer_say_next(struct peer *peer, const char *prefix);
void peer_leave(struct peer *peer, bool reset);

/* A line of speech that may have been heard before. violated() if it is torn.
 * *number: of the line. Returns the speaker. */
struct peer *peer_read_speech(const struct peer *peer, const char *text,
			      unsigned *number);
/* A line of speech. violated() if it is torn, was heard before, or comes before
 * one that was said earlier. *number: of the line. Returns the speaker. */
struct peer *peer_hear_speech(struct peer *peer, const char *text,
			      unsigned *number);
bool peer_has_heard(const struct peer *peer, const struct peer *speaker,
		    unsigned number);
/* violated(): the line should have been heard and was not. */
_Noreturn void peer_misses(const struct peer *peer, const struct peer *speaker,
			   unsigned number);

/* Whether all lines of a peer, a client or a server, were taken: it is open and
 * has written all, or has left in good order. */
bool peer_was_heard(const struct peer *peer);
bool peer_server_was_heard(const struct peer *peer);
/* Their machine is, or was, the same. */
bool peer_is_near(const struct peer *peer, const struct peer *other);
/* They are clients of one service, on whatever machines. On one machine it is
 * not the one that takes its place, while it drains. */
bool peer_is_with(const struct peer *peer, const struct peer *other);
/* It is connected to a client of lined that no one has closed. */
bool peer_is_open(const struct peer *peer);
