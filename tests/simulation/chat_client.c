/* SPDX-License-Identifier: MIT */
/*
 * The clients of chat. They change their names, which are few, so that clients
 * compete for them; they join and leave rooms, and speak there. A client
 * decides by the lines that it has received.
 */
#include "config.h"

#include "account.h"
#include "clients.h"
#include "machine.h"
#include "scenes.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "world.h"

enum { LOBBY, ROOMS = 3 };

static const char *const chat_rooms[ROOMS] = {"lobby", "den", "attic"};
static const char *const chat_names[] = {"ann", "Ann", "bob",
					 "BOB", "cyd", "dan"};

/* ---- speaking ------------------------------------------------------------ */

/* A client's rooms are a stack, as in lined: after /part, the room below is the
 * current one. */
static bool chat_drop_room(struct peer *peer, unsigned room)
{
	unsigned i, k;

	for (i = k = 0; i < peer->chat.room_count; i++)
		if (peer->chat.rooms[i] != room)
			peer->chat.rooms[k++] = peer->chat.rooms[i];
	i = peer->chat.room_count;
	peer->chat.room_count = k;
	return k < i;
}

static void chat_say_join(struct peer *peer)
{
	unsigned room = world_below(ROOMS);
	char text[64];

	/* A member that joins again gets no answer. */
	if (!chat_drop_room(peer, room))
		peer->chat.joins_asked[room]++;
	peer->chat.rooms[peer->chat.room_count++] = room;
	snprintf(text, sizeof(text), "/join %s", chat_rooms[room]);
	peer_say(peer, text);
}

static void chat_say_part(struct peer *peer)
{
	unsigned room = world_below(ROOMS);
	char text[64];

	if (room == LOBBY || !chat_drop_room(peer, room))
		return;
	peer->chat.joined_at[room] = 0;
	snprintf(text, sizeof(text), "/part %s", chat_rooms[room]);
	peer_say(peer, text);
}

static void chat_say_nick(struct peer *peer)
{
	unsigned count = sizeof(chat_names) / sizeof(chat_names[0]);
	unsigned name = world_below(count);
	char text[64];

	if (peer->chat.nicks_asked == PEER_NICKS)
		return;
	peer->chat.nicks[peer->chat.nicks_asked++] = (unsigned char)name;
	snprintf(text, sizeof(text), "/nick %s", chat_names[name]);
	peer_say(peer, text);
}

/* Every client begins in the lobby. */
static void chat_begin(struct peer *peer)
{
	if (peer->chat.room_count > 0)
		return;
	peer->chat.rooms[peer->chat.room_count++] = LOBBY;
	peer->chat.joins_asked[LOBBY]++;
}

static void chat_speak(struct peer *peer)
{
	unsigned chance = world_below(100), number = peer->spoken;

	if (peer->out_len > sizeof(peer->out) / 2 || peer->chat.quit)
		return;
	chat_begin(peer);
	if (chance < 60) {
		if (peer_say_next(peer, ""))
			peer->chat.spoken_in[number] =
				(unsigned char)peer->chat
					.rooms[peer->chat.room_count - 1];
	} else if (chance < 75) {
		chat_say_nick(peer);
	} else if (chance < 84) {
		chat_say_join(peer);
	} else if (chance < 90) {
		chat_say_part(peer);
	} else if (chance < 94) {
		peer_say(peer, "/who lobby");
	} else if (chance < 95) {
		peer->chat.quit = true;
		peer_say(peer, "/quit");
	} else {
		peer_say(peer, "/ping");
	}
}

/* ---- hearing ------------------------------------------------------------- */

static bool chat_has_name(const struct peer *peer)
{
	return peer->kind == &chat_client_kind && peer_is_open(peer) &&
	       !peer->finished && !peer->chat.quit &&
	       peer->chat.nicks_asked == 0 && peer->chat.nick[0] != '\0';
}

/* No two clients have the same name; upper and lower case are equal. In a
 * cluster, two clients may have the same name until their nodes hear each
 * other. */
static void chat_check_name(const struct peer *peer)
{
	unsigned i;

	if (!chat_has_name(peer))
		return;
	for (i = 0; i < peer_count; i++)
		if (&peers[i] != peer && chat_has_name(&peers[i]) &&
		    peer_is_with(peer, &peers[i]) &&
		    strcasecmp(peers[i].chat.nick, peer->chat.nick) == 0)
			violated("chat %u and chat %u are both %s", peer->id, i,
				 peer->chat.nick);
}

/* Whether the client waits for an answer to a /nick with this name. While two
 * clients have the same name, lines about the other client look like
 * answers. */
static bool chat_has_asked(const struct peer *peer, const char *name)
{
	return peer->chat.nicks_asked > 0 &&
	       strcmp(chat_names[peer->chat.nicks[0]], name) == 0;
}

static void chat_answer_nick(struct peer *peer)
{
	peer->chat.answered = peer->chat.nicks[0];
	peer->chat.nicks_asked--;
	memmove(peer->chat.nicks, peer->chat.nicks + 1, peer->chat.nicks_asked);
}

/* The line that looked like the answer to the client's last /nick was about
 * another client. The answer is still to come. */
static void chat_ask_again(struct peer *peer)
{
	if (peer->chat.nick[0] == '\0' || peer->chat.nicks_asked == PEER_NICKS)
		return;
	memmove(peer->chat.nicks + 1, peer->chat.nicks, peer->chat.nicks_asked);
	peer->chat.nicks[0] = peer->chat.answered;
	peer->chat.nicks_asked++;
}

static void chat_take_name(struct peer *peer, const char *name)
{
	snprintf(peer->chat.nick, sizeof(peer->chat.nick), "%s", name);
	if (peer->cluster == 0)
		chat_check_name(peer);
}

static void chat_hear_speech(struct peer *peer, const char *room,
			     const char *text)
{
	unsigned number;
	const struct peer *speaker = peer_hear_speech(peer, text, &number);
	unsigned in = speaker->chat.spoken_in[number];

	if (speaker == peer || !peer_is_with(peer, speaker))
		violated("chat %u: not for it: %s", peer->id, text);
	/* If memory is short, lined may refuse a join: the speaker's lines then
	 * go to its previous room. */
	if (scene.ceiling == 0 && strcmp(room, chat_rooms[in]) != 0)
		violated("chat %u: said in %s, heard in %s: %s", peer->id,
			 chat_rooms[in], room, text);
}

/* The client is in a room that it asked for, unless it has left the room
 * meanwhile. */
static void chat_take_room(struct peer *peer, const char *name)
{
	unsigned room, i;

	chat_begin(peer);
	for (room = 0; strcmp(name, chat_rooms[room]) != 0;)
		must(++room < ROOMS);
	if (--peer->chat.joins_asked[room] > 0)
		return;
	for (i = 0; i < peer->chat.room_count; i++)
		if (peer->chat.rooms[i] == room)
			peer->chat.joined_at[room] = world_steps();
}

static void chat_hear(struct peer *peer, char *text, size_t len)
{
	char a[64], b[64], rest[PEER_LINE_MAX];
	unsigned number;

	/* In a line of the history, the time follows the room. */
	if (sscanf(text, "[%*[a-z] %*[0-9:]] <%*[^>]> %1000[^\n]", rest) == 1) {
		peer_read_speech(peer, rest, &number);
	} else if (sscanf(text, "[%32[^]]] <%32[^>]> %1000[^\n]", a, b, rest) ==
		   3) {
		chat_hear_speech(peer, a, rest);
	} else if (sscanf(text, "* Welcome. You are %32[^.]", a) == 1) {
		chat_take_name(peer, a);
	} else if (sscanf(text, "* %32s is taken: you are now %32s", a, b) ==
		   2) {
		if (strcmp(a, peer->chat.nick) != 0)
			chat_ask_again(peer);
		chat_take_name(peer, b);
	} else if (sscanf(text, "* %32s is now %32s", a, b) == 2) {
		if (strcmp(a, peer->chat.nick) == 0 &&
		    chat_has_asked(peer, b)) {
			chat_answer_nick(peer);
			chat_take_name(peer, b);
		}
	} else if (sscanf(text, "* %32s joined %32s", a, b) == 2) {
		if (strcmp(a, peer->chat.nick) == 0)
			chat_take_room(peer, b);
	} else if (sscanf(text, "! %32s is %32s", a, b) == 2 &&
		   strcmp(b, "taken") == 0) {
		/* If the client waits for no such answer, it took a line about
		 * another client for the answer earlier. */
		if (chat_has_asked(peer, a))
			chat_answer_nick(peer);
		else
			peer->chat.nick[0] = '\0';
		if (peer->cluster == 0)
			chat_check_name(peer);
	} else if (strcmp(text, "! slow down") == 0 ||
		   strcmp(text, "! out of memory") == 0) {
		peer->chat.lossy = true;
	} else if (text[0] != '*' && text[0] != '!') {
		violated("chat %u: what is this: %s", peer->id, text);
	}
}

/* The registry must also say that the client owns its nickname. */
static void chat_check_owned(const struct peer *peer)
{
	char name[48] = "n/";
	size_t i;

	if (!chat_has_name(peer))
		return;
	for (i = 0; peer->chat.nick[i] != '\0'; i++)
		name[2 + i] = (char)tolower((unsigned char)peer->chat.nick[i]);
	name[2 + i] = '\0';
	if (!machine_owns(peer, name))
		violated("chat %u is %s, and does not own the name", peer->id,
			 peer->chat.nick);
}

/* ---- at the end ---------------------------------------------------------- */

/* The client must have heard each line that was said in a room while it knew
 * that it was in the room. */
static void chat_settled(struct peer *peer)
{
	unsigned i, k;

	chat_check_name(peer);
	if (!peer_is_open(peer))
		return;
	chat_check_owned(peer);
	for (i = 0; i < peer_count; i++) {
		const struct peer *other = &peers[i];

		if (other == peer || other->kind != peer->kind ||
		    !peer_is_with(peer, other) || other->chat.lossy ||
		    other->chat.quit || !peer_was_heard(other))
			continue;
		for (k = 0; k < other->spoken; k++) {
			uint64_t since =
				peer->chat.joined_at[other->chat.spoken_in[k]];

			if (since > 0 && other->spoken_at[k] > since &&
			    !peer_has_heard(peer, other, k))
				account_miss(peer, other, k);
		}
	}
}

const struct peer_kind chat_client_kind = {
	.name = "chat",
	.speak = chat_speak,
	.hear = chat_hear,
	.settled = chat_settled,
};
