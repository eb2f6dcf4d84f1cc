/* SPDX-License-Identifier: MIT */
/*
 * /join, /part, kicks: how a member gets and loses its seat in a room. Notices
 * are sent after the registry has changed, so that a member that reads a notice
 * and asks /who gets a matching answer.
 */
#include "chat/room_seat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat/charged_memory.h"
#include "chat/history.h"

#define ENTRY_MAX 80

struct chat_seat *chat_seat_find(const struct chat_member *member,
				 const char *room)
{
	struct chat_seat *seat = member->seats;

	while (seat != NULL && strcmp(seat->room->name, room) != 0)
		seat = seat->below;
	return seat;
}

static void seat_entry(char entry[ENTRY_MAX], const char *room, uint64_t id)
{
	snprintf(entry, ENTRY_MAX, CHAT_SEAT_PREFIX "%s/%" PRIu64, room, id);
}

/* ---- life --------------------------------------------------------------- */

static void seat_unlink(struct chat_seat *seat)
{
	struct chat_seat **at = &seat->member->seats;

	while (*at != seat)
		at = &(*at)->below;
	*at = seat->below;
}

static struct chat_seat *seat_new(struct chat_member *member,
				  struct chat_room *room)
{
	struct chat_seat *seat = chat_alloc(member->chat, sizeof(*seat));

	if (seat == NULL)
		return NULL;
	seat->member = member;
	seat->room = room;
	seat->mark = lined_bus_mark(member->chat->service);
	seat->below = member->seats;
	member->seats = seat;
	member->seat_count++;
	seat->next = room->seats;
	if (seat->next != NULL)
		seat->next->prev = seat;
	room->seats = seat;
	return seat;
}

void chat_seat_free(struct chat_seat *seat)
{
	const struct chat *chat = seat->member->chat;

	seat_unlink(seat);
	seat->member->seat_count--;
	if (seat->next != NULL)
		seat->next->prev = seat->prev;
	if (seat->prev != NULL)
		seat->prev->next = seat->next;
	else
		seat->room->seats = seat->next;
	chat_drop_text(chat, seat->kicked);
	chat_free(chat, seat, sizeof(*seat));
}

/* ---- joining ----------------------------------------------------------- */

static void seat_tell_failure(struct chat_member *member, int error)
{
	if (error == ENOMEM)
		chat_member_lacks_memory(member);
	else
		chat_member_tell(member, "! cannot join %s: %s", member->wanted,
				 strerror(error));
}

static void seat_announce(struct chat_member *member, const char *room,
			  bool to_others_only)
{
	struct chat_event event = chat_member_event(member, CHAT_EVENT_NOTICE);

	event.rooms = room;
	event.number = to_others_only;
	chat_event_send(member->chat, &event, "* %s joined %s",
			member->nickname, room);
}

void chat_seats_announce(struct chat_member *member)
{
	const struct chat_seat *seat;

	if (!member->unannounced)
		return;
	member->unannounced = false;
	for (seat = member->seats; seat != NULL; seat = seat->below)
		seat_announce(member, seat->room->name, true);
}

static void seat_joined(struct chat_member *member)
{
	struct chat *chat = member->chat;
	struct chat_room *room = chat_room_get(chat, member->wanted);
	char entry[ENTRY_MAX];

	if (room == NULL || seat_new(member, room) == NULL) {
		seat_entry(entry, member->wanted, member->id);
		lined_registry_release(chat->service, member->socket, entry);
		seat_tell_failure(member, ENOMEM);
		return;
	}
	if (member->unannounced)
		chat_member_tell(member, "* %s joined %s", member->nickname,
				 room->name);
	else
		seat_announce(member, room->name, false);
	chat_room_tell_topic(chat, room, member);
	chat_history_tell(&room->history, room->name, member, SIZE_MAX);
}

static void seat_claimed(struct lined_socket *client, void *arg, bool won)
{
	struct chat_member *member = arg;

	if (won)
		seat_joined(member);
	else
		seat_tell_failure(member, EAGAIN);
	chat_member_release(member);
}

static bool seat_has_key(const struct chat_room_options *options,
			 const char *key)
{
	return options == NULL || options->key[0] == '\0' ||
	       strcmp(options->key, key) == 0;
}

/* True: the member may not join, and was told why. */
static bool seat_is_refused(struct chat_member *member, const char *room,
			    const char *key)
{
	struct chat *chat = member->chat;

	if (chat_room_is_banned(chat_room_find(chat, room), member->id,
				member->nickname)) {
		chat_member_tell(member, "! you are banned from %s", room);
	} else if (!seat_has_key(chat_options_room(chat_options(chat), room),
				 key)) {
		CHAT_MEMBER_LOG(member, "%s key for room %s",
				key[0] != '\0' ? "wrong" : "no", room);
		lined_service_count(member->chat->service, "keys_refused", 1);
		chat_member_tell(member, "! %s needs a key", room);
	} else if (member->seat_count >= CHAT_SEATS_MAX) {
		chat_member_tell(member, "! too many rooms: %s", room);
	} else {
		return false;
	}
	return true;
}

void chat_seat_join(struct chat_member *member, const char *room,
		    const char *key)
{
	struct chat_seat *seat = chat_seat_find(member, room);
	char entry[ENTRY_MAX];

	if (!chat_name_is_room(room)) {
		chat_member_tell(member, "! bad room name: %s", room);
		return;
	}
	if (seat != NULL) {
		seat_unlink(seat);
		seat->below = seat->member->seats;
		seat->member->seats = seat;
		return;
	}
	if (seat_is_refused(member, room, key))
		return;
	/* A client that is in no room may join one even while memory is short.
	 */
	if (member->seat_count > 0 &&
	    !lined_service_may_keep(member->chat->service, CHAT_SEAT_COST)) {
		chat_member_lacks_memory(member);
		return;
	}
	seat_entry(entry, room, member->id);
	strcpy(member->wanted, room);
	if (lined_registry_claim(member->chat->service, member->socket, entry,
				 "", 0, seat_claimed, member) == 0)
		chat_member_hold(member);
	else
		seat_tell_failure(member, errno);
}

/* ---- leaving ----------------------------------------------------------- */

void chat_seat_part(struct chat_seat *seat)
{
	struct chat_member *member = seat->member;
	char entry[ENTRY_MAX];

	if (seat->leaving)
		return;
	seat->leaving = true;
	seat_entry(entry, seat->room->name, member->id);
	chat_member_hold(member);
	lined_registry_release(member->chat->service, member->socket, entry);
}

void chat_seat_kick(struct chat_seat *seat, uint64_t kicker, const char *kicked,
		    size_t len)
{
	if (seat->leaving)
		return;
	seat->kicked = chat_keep_text(seat->member->chat, kicked, len);
	seat->kicker = kicker;
	chat_seat_part(seat);
}

void chat_seat_gone(struct chat *chat, const struct chat_room *room,
		    uint64_t id)
{
	struct chat_member *member = chat_member_find(chat, id);
	struct chat_seat *seat;
	struct chat_event event = {
		.kind = CHAT_EVENT_NOTICE,
		.from = id,
		.rooms = room->name,
	};

	seat = member != NULL ? chat_seat_find(member, room->name) : NULL;
	if (seat == NULL || !seat->leaving)
		/* No notice: the client has closed, which is announced as a
		 * quit, or there was no memory for the seat. */
		return;
	event.to = seat->kicker;
	if (seat->kicked != NULL)
		chat_event_send(chat, &event, "* %s %s", member->nickname,
				seat->kicked);
	else
		chat_event_send(chat, &event, "* %s left %s", member->nickname,
				room->name);
	chat_seat_free(seat);
	chat_member_release(member);
}
