/* SPDX-License-Identifier: MIT */
/*
 * Messages, /me, /msg, /topic and /away. Each becomes an event. Its text,
 * except that of /away, is the line for the other clients: it is formatted once
 * for all.
 */
#include "chat/command.h"

#include <stdio.h>
#include <string.h>

#include "chat/event.h"
#include "chat/room.h"

/* Whether there is memory for a text that each worker keeps. False: the member
 * got an error. */
static bool say_may_keep(struct chat_member *member, const char *text)
{
	if (lined_service_may_keep(member->chat->service, strlen(text)))
		return true;
	chat_member_lacks_memory(member);
	return false;
}

static bool say_is_muted(struct chat_member *member)
{
	bool muted = chat_member_is_muted(member);

	if (muted)
		chat_member_tell(member, "! you are muted");
	return muted;
}

/* The seat in the current room; NULL: the member may not speak there, and got
 * an error. */
static struct chat_seat *say_seat(struct chat_member *member)
{
	struct chat_seat *seat = chat_args_seat(member);
	const struct chat_room_options *options;

	if (seat == NULL || say_is_muted(member))
		return NULL;
	options =
		chat_options_room(chat_options(member->chat), seat->room->name);
	if (options == NULL || !options->read_only || member->is_operator)
		return seat;
	chat_member_tell(member, "! %s is read-only", seat->room->name);
	return NULL;
}

void chat_say(struct chat_member *member, const char *text, bool action)
{
	struct chat_seat *seat = say_seat(member);
	struct chat_event event = chat_member_event(member, CHAT_EVENT_MESSAGE);

	if (seat == NULL)
		return;
	event.rooms = seat->room->name;
	chat_member_has_sent(
		member,
		chat_event_send(member->chat, &event,
				action ? "[%s] * %s %s" : "[%s] <%s> %s",
				event.rooms, member->nickname, text));
}

void chat_say_private(struct chat_member *member, struct chat_args *args)
{
	const char *nickname = chat_args_word(args);
	struct chat_event event = chat_member_event(member, CHAT_EVENT_PRIVATE);
	struct chat_person *person;

	if (args->rest[0] == '\0') {
		chat_args_usage(member, args);
		return;
	}
	if (say_is_muted(member))
		return;
	person = chat_args_person(member, nickname);
	if (person == NULL)
		return;
	event.to = person->id;
	chat_member_has_sent(member,
			     chat_event_send(member->chat, &event, "(%s) %s",
					     member->nickname, args->rest));
	if (person->away != NULL)
		chat_member_tell(member, "* %s is away: %s", person->nickname,
				 person->away);
}

void chat_say_topic(struct chat_member *member, struct chat_args *args)
{
	const char *topic = args->rest;
	struct chat_seat *seat =
		topic[0] == '\0' ? chat_args_seat(member) : say_seat(member);
	struct chat_event event = chat_member_event(member, CHAT_EVENT_TOPIC);

	if (seat == NULL)
		return;
	if (topic[0] == '\0') {
		chat_room_tell_topic(member->chat, seat->room, member);
		return;
	}
	if (!say_may_keep(member, topic))
		return;
	event.rooms = seat->room->name;
	chat_member_has_sent(
		member, chat_event_send(member->chat, &event,
					"* %s set the topic of %s: %s",
					member->nickname, event.rooms, topic));
}

void chat_say_away(struct chat_member *member, struct chat_args *args)
{
	const char *text = args->rest;
	struct chat_event event = chat_member_event(member, CHAT_EVENT_AWAY);

	event.number = text[0] != '\0';
	if ((event.number != 0 && !say_may_keep(member, text)) ||
	    !chat_member_has_sent(
		    member, chat_event_send(member->chat, &event, "%s", text)))
		return;
	if (event.number != 0)
		chat_member_tell(member, "* you are away: %s", text);
	else
		chat_member_tell(member, "* you are back");
}
