/* SPDX-License-Identifier: MIT */
/*
 * A member: what the chat knows of a client of this worker. Reading the client:
 * client_session.h; a member in a room: room_seat.h; the members of all
 * workers: nicknames.h. The struct exists until the client has closed and the
 * registry has no entry of the member left. Then the quit is announced in the
 * member's rooms.
 */
#pragma once

#include "chat/chat.h"
#include "chat/event.h"
#include "chat/flood_limit.h"
#include "chat/name_syntax.h"
#include "chat/nicknames.h"
#include "chat/telnet.h"

struct chat_seat;

struct chat_member {
	uint64_t id; /* lined_client_id(); must be first, see chat_find() */
	struct chat *chat;
	struct lined_socket *socket;      /* NULL: the client has closed */
	char nickname[CHAT_NAME_MAX + 1]; /* "": none yet */
	/* The nickname or room being claimed, or the operator's name given with
	 * /oper: only one of them at a time. */
	char wanted[CHAT_NAME_MAX + 1];
	/* The registry's entry of the nickname, and the entry of another
	 * spelling of the nickname or "": see nicknames.h. */
	char entry[CHAT_NICKNAME_ENTRY_MAX],
		spelling[CHAT_NICKNAME_SPELLING_MAX];
	unsigned spellings;
	size_t entries; /* the member's entries in the registry */
	uint64_t guest; /* the guest number, once in the registry */

	struct chat_seat *seats; /* the current room's seat comes first */
	size_t seat_count;
	uint64_t delivery; /* number of the last delivery to the member */

	uint64_t phase; /* the chat.phase to wait for; 0: none */
	unsigned busy;  /* holds not yet released; above 0: not read */
	uint64_t answer_until_ms; /* end of the wait for a worker; 0: none */
	struct chat_flood flood;
	struct lined_timer slow; /* armed: the member is not read */
	struct chat_telnet telnet;
	bool crlf; /* send CRLF: the client uses it, or must get it */

	bool parted;      /* was told that some people may not hear it */
	bool unannounced; /* not yet announced in the rooms */
	bool taken;       /* lost its nickname to another node's client */
	bool is_operator;
	bool knows_password;
	unsigned failures; /* wrong passwords */
	uint64_t muted_until_ms;
	struct chat_list
		*list; /* unfinished answer of command_who.c; NULL: none */
	size_t list_size;
	uint64_t *ignored; /* ids, oldest first */
	size_t ignored_count;

	char *reason; /* reason given with /quit */
	char *rooms;  /* rooms for the quit, set on close; NULL: none */
};

/* Makes a member for a client of this worker; NULL: no memory. */
struct chat_member *chat_member_new(struct chat *chat,
				    struct lined_socket *client);
/* The member must have no seats. */
void chat_member_free(struct chat_member *member);

/* Call this when the client has closed and the member's seats are freed. */
void chat_member_gone(struct chat_member *member);

/* Counts an entry of the registry that was added (`here`) or removed. A member
 * whose client has closed ends with its last entry. */
void chat_member_entry_changed(struct chat *chat, uint64_t owner, bool here);

/* Finds a member of this worker; NULL: none. */
struct chat_member *chat_member_find(struct chat *chat, uint64_t id);

/* The clock of the member's dispatcher. */
uint64_t chat_member_now_ms(const struct chat_member *member);

/* Logs "client ID PEER: MESSAGE"; each format has its own rate limit. The
 * client must be open. */
#define CHAT_MEMBER_LOG(MEMBER, FORMAT, ...)                                   \
	lined_service_log((MEMBER)->chat->service, LINED_LOG_NOTICE,           \
			  "client %llu %s: " FORMAT,                           \
			  (unsigned long long)(MEMBER)->id,                    \
			  lined_client_peer((MEMBER)->socket), __VA_ARGS__)

/* Sends one line, with the line end that the client uses. */
void chat_member_tell(struct chat_member *member, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* An event from the member; the caller sets what else the kind needs. */
struct chat_event chat_member_event(const struct chat_member *member,
				    enum chat_event_kind kind);

/* result: of chat_event_send(). Returns whether the event was sent; if not,
 * tells the member to slow down. */
bool chat_member_has_sent(struct chat_member *member, int result);

/* Logs, and tells the member, that a request failed for lack of memory. */
void chat_member_lacks_memory(struct chat_member *member);

/* Turns a telnet client's echo off while a secret is typed. */
void chat_member_set_secret(struct chat_member *member, bool secret);
/* The callback for chat_telnet_take(). */
void chat_member_send_telnet(void *member, unsigned char command,
			     unsigned char option);

/* Tells the member that the service drains. */
void chat_member_tell_closing(struct chat_member *member);

/* Closes the member's client after flushing its send queue. */
void chat_member_close(struct chat_member *member,
		       enum lined_close_reason reason);

/* The member is not read between hold and release; calls nest. */
void chat_member_hold(struct chat_member *member);
void chat_member_release(struct chat_member *member);

/* Holds the member while it waits for an answer of another worker, for at most
 * two seconds. Does nothing if the member already waits for one. */
void chat_member_await(struct chat_member *member);
/* The answer has come: releases the member, if it still waits. */
void chat_member_answered(struct chat_member *member);
/* Ends the wait for another worker if two seconds are over. */
void chat_member_check_answer(struct chat_member *member);

/* Stops reading the member for wait_ms. */
void chat_member_slow(struct chat_member *member, uint64_t wait_ms);

/* Whether the next line may be read now. False: the client is paused until it
 * may. */
bool chat_member_may_be_read(struct chat_member *member);

/* Writes the names of the member's rooms with commas between them. */
void chat_member_rooms(const struct chat_member *member,
		       char rooms[CHAT_EVENT_ROOMS_MAX]);

bool chat_member_ignores(const struct chat_member *member, uint64_t id);
/* Makes `member` ignore the member with this id, or stop ignoring that member;
 * tells `member`. */
void chat_member_ignore(struct chat_member *member, uint64_t id,
			const char *nickname);

bool chat_member_is_muted(const struct chat_member *member);
void chat_member_mute(struct chat_member *member, int64_t seconds);
