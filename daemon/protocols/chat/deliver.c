/* SPDX-License-Identifier: MIT */
/*
 * Delivery. A line goes to each member once, in however many of the event's
 * rooms it is, and shares one buffer with all others.
 */
#include "chat/deliver.h"

#include <string.h>

#include "chat/history.h"
#include "chat/member.h"
#include "chat/people.h"
#include "chat/room.h"
#include "chat/seat.h"

static void send_to(const struct chat_event *event, struct chat_member *member)
{
	if (member->socket != NULL)
		lined_socket_send_shared(member->socket, event->buffer,
					 event->offset, event->len);
}

/* Who said it sees it only where that is wanted; who ignores it never. */
static bool is_for(struct chat *chat, const struct chat_event *event,
		   const struct chat_member *member)
{
	if (event->kind != CHAT_EVENT_MESSAGE)
		return true;
	if (member->id == event->from)
		return chat_options(chat)->echo;
	return !chat_member_ignores(member, event->from);
}

/* Sent before the member came, and here only now. */
static bool is_late(const struct chat *chat, const struct chat_event *event,
		    const struct chat_seat *seat)
{
	return event->received &&
	       lined_bus_is_before(chat->service, seat->mark);
}

/* What the member would have been told when it came. */
static void tell_late(struct chat *chat, const struct chat_event *event,
		      const struct chat_seat *seat)
{
	if (event->kind == CHAT_EVENT_MESSAGE &&
	    chat_options(chat)->history > 0)
		chat_history_tell_late(event, seat->member);
	else if (event->kind == CHAT_EVENT_TOPIC)
		chat_room_tell_topic(chat, seat->room, seat->member);
}

static void send_to_room(struct chat *chat, const struct chat_event *event,
			 const char *name)
{
	struct chat_room *room = chat_room_find(chat, name);
	struct chat_seat *seat = room != NULL ? room->seats : NULL;

	for (; seat != NULL; seat = seat->next) {
		struct chat_member *member = seat->member;

		if (member->mark == chat->mark)
			continue;
		if (is_late(chat, event, seat)) {
			tell_late(chat, event, seat);
			continue;
		}
		member->mark = chat->mark;
		if (is_for(chat, event, member))
			send_to(event, member);
	}
}

static void send_to_rooms(struct chat *chat, const struct chat_event *event)
{
	char name[CHAT_NAME_MAX + 1];
	const char *rest = event->rooms;
	size_t len;

	chat->mark++;
	for (; *rest != '\0'; rest += len + (rest[len] == ',')) {
		len = strcspn(rest, ",");
		if (len > CHAT_NAME_MAX)
			continue;
		memcpy(name, rest, len);
		name[len] = '\0';
		send_to_room(chat, event, name);
	}
}

/* Also to whom it concerns, in the rooms or not: who asked for it. */
static void notice(struct chat *chat, const struct chat_event *event)
{
	struct chat_member *member = chat_member_find(chat, event->to);

	send_to_rooms(chat, event);
	if (member == NULL)
		return;
	if (member->mark != chat->mark)
		send_to(event, member);
	chat_member_answered(member);
}

static void private_message(struct chat *chat, const struct chat_event *event)
{
	struct chat_member *member = chat_member_find(chat, event->to);

	if (member != NULL && !chat_member_ignores(member, event->from))
		send_to(event, member);
}

static void announce_to(struct lined_socket *client, void *event)
{
	struct chat_member *member = lined_socket_arg(client);

	if (member != NULL && member->nickname[0] != '\0')
		send_to(event, member);
}

/* The text without its newline. */
static const char *text_of(const struct chat_event *event, size_t *len)
{
	*len = event->len - 1;
	return lined_buffer_data(event->buffer) + event->offset;
}

static void kick(struct chat *chat, const struct chat_event *event)
{
	struct chat_member *member = chat_member_find(chat, event->to);
	struct chat_seat *seat = NULL;
	size_t len;
	const char *text = text_of(event, &len);

	if (member != NULL)
		seat = chat_seat_find(member, event->rooms);
	if (seat != NULL)
		chat_seat_kick(seat, event->from, text, len);
}

/* Done by the worker that the member is on, which tells the others. */
static void mute(struct chat *chat, const struct chat_event *event)
{
	struct chat_member *member = chat_member_find(chat, event->to);
	char rooms[CHAT_EVENT_ROOMS_MAX];
	struct chat_event told = {
		.kind = CHAT_EVENT_NOTICE,
		.from = event->to,
		.to = event->from,
		.rooms = rooms,
	};

	if (member == NULL || member->socket == NULL)
		return;
	chat_member_mute(member, event->number);
	chat_member_rooms(member, rooms);
	chat_event_send(chat, &told, "* %s was muted by %s for %lld s",
			member->nickname, event->name,
			(long long)event->number);
	if (rooms[0] == '\0' && event->from != member->id)
		chat_member_tell(member, "* %s was muted by %s for %lld s",
				 member->nickname, event->name,
				 (long long)event->number);
}

static void away(struct chat *chat, const struct chat_event *event)
{
	size_t len;
	const char *text = text_of(event, &len);

	chat_people_set_away(chat, event->from, event->number ? text : NULL,
			     len);
}

void chat_deliver(struct chat *chat, const struct chat_event *event)
{
	switch (event->kind) {
	case CHAT_EVENT_MESSAGE:
		chat_room_remember(chat, event);
		send_to_rooms(chat, event);
		break;
	case CHAT_EVENT_TOPIC:
		chat_room_set_topic(chat, event);
		send_to_rooms(chat, event);
		break;
	case CHAT_EVENT_NOTICE:
		notice(chat, event);
		break;
	case CHAT_EVENT_PRIVATE:
		private_message(chat, event);
		break;
	case CHAT_EVENT_ANNOUNCE:
		lined_service_each_client(chat->service, announce_to,
					  (void *)(uintptr_t)event);
		break;
	case CHAT_EVENT_AWAY:
		away(chat, event);
		break;
	case CHAT_EVENT_KICK:
		kick(chat, event);
		break;
	case CHAT_EVENT_MUTE:
		mute(chat, event);
		break;
	case CHAT_EVENT_BAN:
		chat_room_ban(chat, event);
		break;
	}
}
