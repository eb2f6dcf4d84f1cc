/* SPDX-License-Identifier: MIT */
/*
 * Delivers events. Each member gets the line of an event once, even if the
 * member is in several of the event's rooms. All send queues share the event's
 * buffer.
 */
#include "chat/event_deliver.h"

#include <string.h>

#include "chat/history.h"
#include "chat/member.h"
#include "chat/nicknames.h"
#include "chat/room.h"
#include "chat/room_seat.h"

static void deliver_to(struct chat_event *event, struct chat_member *member)
{
	struct lined_buffer *crlf;

	if (member->socket == NULL)
		return;
	crlf = member->crlf ? chat_event_crlf(event) : NULL;
	if (crlf != NULL)
		lined_socket_send_shared(member->socket, crlf, 0,
					 event->len + 1);
	else
		lined_socket_send_shared(member->socket, event->buffer,
					 event->offset, event->len);
}

/* Whether the member should get the event. A sender gets its own messages only
 * with the option `echo`. Members that ignore the sender do not get its
 * messages. */
static bool deliver_is_wanted(struct chat *chat, const struct chat_event *event,
			      const struct chat_member *member)
{
	if (event->kind == CHAT_EVENT_NOTICE)
		return event->number == 0 || member->id != event->from;
	if (event->kind != CHAT_EVENT_MESSAGE)
		return true;
	if (member->id == event->from)
		return chat_options(chat)->echo;
	return !chat_member_ignores(member, event->from);
}

/* Whether the event was sent before the member joined, but has arrived after
 * the member had joined. */
static bool deliver_is_late(const struct chat *chat,
			    const struct chat_event *event,
			    const struct chat_seat *seat)
{
	return event->received &&
	       lined_bus_is_before(chat->service, seat->mark);
}

/* The event has arrived late: sends the member what it would have got when it
 * joined. */
static void deliver_late(struct chat *chat, const struct chat_event *event,
			 const struct chat_seat *seat)
{
	if (event->kind == CHAT_EVENT_MESSAGE &&
	    chat_options(chat)->history > 0)
		chat_history_tell_late(event, seat->member);
	else if (event->kind == CHAT_EVENT_TOPIC)
		chat_room_tell_topic(chat, seat->room, seat->member);
}

static void deliver_to_room(struct chat *chat, struct chat_event *event,
			    const char *name)
{
	struct chat_room *room = chat_room_find(chat, name);
	struct chat_seat *seat = room != NULL ? room->seats : NULL;

	for (; seat != NULL; seat = seat->next) {
		struct chat_member *member = seat->member;

		if (member->delivery == chat->delivery)
			continue;
		if (deliver_is_late(chat, event, seat)) {
			deliver_late(chat, event, seat);
			continue;
		}
		member->delivery = chat->delivery;
		if (deliver_is_wanted(chat, event, member))
			deliver_to(event, member);
	}
}

static void deliver_to_rooms(struct chat *chat, struct chat_event *event)
{
	char name[CHAT_NAME_MAX + 1];
	const char *rest = event->rooms;
	size_t len;

	chat->delivery++;
	for (; *rest != '\0'; rest += len + (rest[len] == ',')) {
		len = strcspn(rest, ",");
		if (len > CHAT_NAME_MAX)
			continue;
		memcpy(name, rest, len);
		name[len] = '\0';
		deliver_to_room(chat, event, name);
	}
}

/* Sends a notice to rooms, and to the member event->to, even if that member is
 * in none of the rooms: the notice may answer a request of the member. */
static void deliver_notice(struct chat *chat, struct chat_event *event)
{
	struct chat_member *member = chat_member_find(chat, event->to);

	if (event->number == CHAT_NOTICE_ELSEWHERE &&
	    !lined_bus_is_elsewhere(chat->service))
		return;
	deliver_to_rooms(chat, event);
	if (member == NULL)
		return;
	if (member->delivery != chat->delivery)
		deliver_to(event, member);
	chat_member_answered(member);
}

static void deliver_private(struct chat *chat, struct chat_event *event)
{
	struct chat_member *member = chat_member_find(chat, event->to);

	if (member != NULL && !chat_member_ignores(member, event->from))
		deliver_to(event, member);
}

static void deliver_announcement(struct lined_socket *client, void *event)
{
	struct chat_member *member = lined_socket_arg(client);

	if (member != NULL && member->nickname[0] != '\0')
		deliver_to(event, member);
}

/* The event's text without its newline. */
static const char *deliver_text(const struct chat_event *event, size_t *len)
{
	*len = event->len - 1;
	return lined_buffer_data(event->buffer) + event->offset;
}

static void deliver_kick(struct chat *chat, const struct chat_event *event)
{
	struct chat_member *member = chat_member_find(chat, event->to);
	struct chat_seat *seat = NULL;
	size_t len;
	const char *text = deliver_text(event, &len);

	if (member != NULL)
		seat = chat_seat_find(member, event->rooms);
	if (seat != NULL)
		chat_seat_kick(seat, event->from, text, len);
}

/* On the member's own worker: mutes the member, and tells its rooms and the
 * operator. Other workers do nothing. */
static void deliver_mute(struct chat *chat, const struct chat_event *event)
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

static void deliver_away(struct chat *chat, const struct chat_event *event)
{
	size_t len;
	const char *text = deliver_text(event, &len);

	chat_nicknames_set_away(chat, event->from, event->number ? text : NULL,
				len);
}

void chat_deliver(struct chat *chat, struct chat_event *event)
{
	switch (event->kind) {
	case CHAT_EVENT_MESSAGE:
		chat_room_remember(chat, event);
		deliver_to_rooms(chat, event);
		break;
	case CHAT_EVENT_TOPIC:
		chat_room_set_topic(chat, event);
		deliver_to_rooms(chat, event);
		break;
	case CHAT_EVENT_NOTICE:
		deliver_notice(chat, event);
		break;
	case CHAT_EVENT_PRIVATE:
		deliver_private(chat, event);
		break;
	case CHAT_EVENT_ANNOUNCE:
		lined_service_each_client(chat->service, deliver_announcement,
					  event);
		break;
	case CHAT_EVENT_AWAY:
		deliver_away(chat, event);
		break;
	case CHAT_EVENT_KICK:
		deliver_kick(chat, event);
		break;
	case CHAT_EVENT_MUTE:
		deliver_mute(chat, event);
		break;
	case CHAT_EVENT_BAN:
		chat_room_ban(chat, event);
		break;
	}
}
