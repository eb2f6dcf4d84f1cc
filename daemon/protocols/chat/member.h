/* SPDX-License-Identifier: MIT */
/*
 * A member: a client of this worker. It exists until the client has gone and
 * the registry has no entry of it left. Then its quit is announced to the
 * members of its rooms.
 */
#pragma once

#include "chat/chat.h"
#include "chat/event.h"
#include "chat/flood.h"
#include "chat/people.h"
#include "chat/telnet.h"
#include "chat/text.h"

struct chat_seat;

struct chat_member {
	uint64_t id; /* lined_client_id(); first, see chat_find() */
	struct chat *chat;
	struct lined_socket *socket;      /* NULL: the client has gone */
	char nickname[CHAT_NAME_MAX + 1]; /* "": not claimed yet */
	/* The nickname or room that is being claimed, or the operator that it
	 * wants to be: one at a time. */
	char wanted[CHAT_NAME_MAX + 1];
	/* The nickname's entry in the registry, and that of another spelling
	 * of it or "", see people.h. */
	char entry[CHAT_PEOPLE_ENTRY_MAX], spelling[CHAT_PEOPLE_SPELLING_MAX];
	unsigned spellings;
	size_t entries; /* how many it has in the registry */
	uint64_t guest; /* its guest number, once the registry has it */

	struct chat_seat *seats; /* the current room's first */
	size_t seat_count;
	uint64_t mark; /* the last delivery that included it: chat.mark */

	uint64_t phase; /* input is not read before this chat.phase; 0: any */
	unsigned busy;  /* awaited answers; unless 0, it is not read */
	uint64_t answer_until_ms; /* end of the wait for a worker; 0: none */
	struct chat_flood flood;
	struct lined_timer slow; /* armed: nothing is read until it fires */
	struct chat_telnet telnet;
	bool crlf; /* it gets CRLF: it sent one, or must */

	bool unannounced; /* the others have not been told of it yet */
	bool taken;       /* another node's client has its nickname now */
	bool is_operator;
	bool knows_password;
	unsigned failures; /* wrong passwords */
	uint64_t muted_until_ms;
	struct chat_list *list; /* an answer under way, see who.c; NULL: none */
	uint64_t *ignored;      /* ids, the oldest first */
	size_t ignored_count;

	char *reason; /* of /quit */
	char *rooms;  /* of the client when it closed */
};

/* A member for a client of this worker; NULL: no memory. */
struct chat_member *chat_member_new(struct chat *chat,
				    struct lined_socket *client);
/* It must have no seats. */
void chat_member_free(struct chat_member *member);

/* The client has gone, and its seats have been freed. */
void chat_member_gone(struct chat_member *member);

/* Counts an entry of the registry that was added (here) or removed. A member
 * whose client has gone ends with its last entry. */
void chat_member_entry_changed(struct chat *chat, uint64_t owner, bool here);

/* A member of this worker; NULL: there is none. */
struct chat_member *chat_member_find(struct chat *chat, uint64_t id);

/* Its dispatcher's clock. */
uint64_t chat_member_now_ms(const struct chat_member *member);

/* Logs "client ID PEER: MESSAGE"; each format is rate-limited by itself. The
 * client must be there. */
#define CHAT_MEMBER_LOG(MEMBER, FORMAT, ...)                                   \
	lined_service_log((MEMBER)->chat->service, LINED_LOG_NOTICE,           \
			  "client %llu %s: " FORMAT,                           \
			  (unsigned long long)(MEMBER)->id,                    \
			  lined_client_peer((MEMBER)->socket), __VA_ARGS__)

/* Sends one line; the line end that the client uses is added. */
void chat_member_tell(struct chat_member *member, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Tells it, and logs, that its request failed for want of memory. */
void chat_member_lacks_memory(struct chat_member *member);

/* A telnet client echoes what is typed, unless it is a secret. */
void chat_member_set_secret(struct chat_member *member, bool secret);
/* For chat_telnet_take(). */
void chat_member_send_telnet(void *member, unsigned char command,
			     unsigned char option);

/* Tells the member that the service drains. */
void chat_member_tell_closing(struct chat_member *member);

/* Closes its client after the send queue is flushed. */
void chat_member_close(struct chat_member *member,
		       enum lined_close_reason reason);

/* Between hold and release the member is not read. They nest. */
void chat_member_hold(struct chat_member *member);
void chat_member_release(struct chat_member *member);

/* The same while another worker acts for the member: until it answers, or for
 * two seconds. */
void chat_member_await(struct chat_member *member);
void chat_member_answered(struct chat_member *member);
/* Ends a wait for another worker that has lasted too long. */
void chat_member_check_answer(struct chat_member *member);

/* The member is not read for wait_ms. */
void chat_member_slow(struct chat_member *member, uint64_t wait_ms);

/* Whether the next line may be read. False: its client is paused until then. */
bool chat_member_may_be_read(struct chat_member *member);

/* Writes the names of its rooms, separated by commas. */
void chat_member_rooms(const struct chat_member *member,
		       char rooms[CHAT_EVENT_ROOMS_MAX]);

bool chat_member_ignores(const struct chat_member *member, uint64_t id);
/* Ignores the member with this id, or stops ignoring it; tells the member. */
void chat_member_ignore(struct chat_member *member, uint64_t id,
			const char *nickname);

bool chat_member_is_muted(const struct chat_member *member);
void chat_member_mute(struct chat_member *member, int64_t seconds);
