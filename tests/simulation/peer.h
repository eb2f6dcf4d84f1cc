/* SPDX-License-Identifier: MIT */
/*
 * A peer: a program on another host, either a client of lined or a server that
 * lined connects to. The seed decides when the peer writes and reads, how much
 * at a time, and how it leaves. Its kind says what it sends.
 *
 * Speech: each peer numbers its lines. The bytes of a line depend only on its
 * speaker and its number, so that a receiver recognizes a line that is torn,
 * missing, repeated or out of order.
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
	/* Queues the peer's next lines. Not called after the peer has
	 * half-closed. */
	void (*speak)(struct peer *peer);
	/* Called for each line that has arrived, without its LF, ended by a
	 * NUL. */
	void (*hear)(struct peer *peer, char *text, size_t len);
	/* Called when the other side has ended the connection; may be NULL. */
	void (*ended)(struct peer *peer);
	/* Called when nothing moves any more; may be NULL. */
	void (*settled)(struct peer *peer);
	/* Whether the peer never leaves by itself. NULL: it may leave. */
	bool (*stays)(void);
	/* The last line may be torn, because a server behind lined may end
	 * after half a line. */
	bool may_be_cut;
};

struct peer {
	const struct peer_kind *kind;
	unsigned id;
	struct net_stream *stream; /* NULL: the peer has gone */
	unsigned end;              /* the peer's end of the stream */
	bool open;                 /* the peer knows that it is connected */
	bool stalled;              /* does not read */
	bool finished;             /* has half-closed */
	bool left;                 /* has closed or reset the stream itself */
	bool was_reset, was_ended; /* the other side has reset or ended it */
	bool was_taken;            /* when the other side ended the stream, it
				    * had read everything */
	char out[8192];            /* bytes that are to be written */
	size_t out_start, out_len;
	char line[2 * PEER_LINE_MAX]; /* the bytes of an incomplete line */
	size_t line_len;
	unsigned spoken, heard; /* numbers of lines */
	uint64_t spoken_at[PEER_LINES];
	uint64_t heard_of[PEERS];   /* by speaker: a bit for each line */
	unsigned heard_last[PEERS]; /* by speaker: the number of the last line,
				     * plus 1 */

	/* The peer as lined sees it. */
	uint64_t accepted_at; /* 0: not accepted */
	uint64_t accepted_ns;
	uint64_t client;  /* the client's id */
	uint64_t service; /* machine_service_key() of its service */
	unsigned cluster; /* services of different machines with the same number
			   * here are one service of the cluster; 0: the service
			   * is in no cluster */
	unsigned opens, closes;
	enum lined_close_reason reason;
	uint64_t closed_ns;

	/* The state of a client of chat, as the client knows it. */
	struct {
		char nick[40]; /* "": not known yet */
		/* The names that it has asked for and that are not answered
		 * yet, as indices of chat_names; the oldest comes first. */
		unsigned char nicks[PEER_NICKS], answered;
		unsigned nicks_asked;
		bool lossy; /* lined has refused something */
		bool quit;
		unsigned rooms[4], room_count; /* the current room is the
						* last */
		unsigned joins_asked[4];       /* by room: joins that are not
						* answered yet */
		uint64_t joined_at[4];         /* by room: the step; 0: not in
						* the room */
		unsigned char spoken_in[PEER_LINES]; /* by line: the room */
	} chat;
};

extern struct peer peers[PEERS];
extern unsigned peer_count;

void peers_begin(void);

/* Makes another peer, which connects to a port or has been connected to. NULL:
 * there are too many. */
struct peer *peer_connect(const struct peer_kind *kind, uint16_t port);
struct peer *peer_accepted(const struct peer_kind *kind,
			   struct net_stream *stream);

/* Lets the peer do something. calm: the peer only ends what it has begun.
 * False: there is nothing to do. */
bool peer_act(struct peer *peer, bool calm);

/* Lets one of all peers act. */
bool peers_act(bool calm);

void peer_say(struct peer *peer, const char *text);
/* Queues the next line of the peer's speech, after a prefix. False: the peer
 * has said all its lines. */
bool peer_say_next(struct peer *peer, const char *prefix);
void peer_leave(struct peer *peer, bool reset);

/* Reads a line of speech that may have been heard before. Calls violated() if
 * the line is torn. Sets *number to the line's number, and returns the
 * speaker. */
struct peer *peer_read_speech(const struct peer *peer, const char *text,
			      unsigned *number);
/* The same for a line that is new. Also calls violated() if the peer has heard
 * this line, or a later line of the same speaker, before. */
struct peer *peer_hear_speech(struct peer *peer, const char *text,
			      unsigned *number);
bool peer_has_heard(const struct peer *peer, const struct peer *speaker,
		    unsigned number);
/* Calls violated(): the peer has not heard a line that it should have heard. */
_Noreturn void peer_misses(const struct peer *peer, const struct peer *speaker,
			   unsigned number);

/* Whether the other side must have received all lines of a client, or of a
 * server: the peer is open and has written all its output, or it has left in
 * good order. */
bool peer_was_heard(const struct peer *peer);
bool peer_server_was_heard(const struct peer *peer);
/* Whether the servers of both peers are, or were, the same one. */
bool peer_is_near(const struct peer *peer, const struct peer *other);
/* Whether they are clients of the same service, on any machines. A service that
 * drains and its successor on the same machine are two services. */
bool peer_is_with(const struct peer *peer, const struct peer *other);
/* Whether the peer is connected to a client of lined that neither side has
 * closed. */
bool peer_is_open(const struct peer *peer);
