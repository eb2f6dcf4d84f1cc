/* SPDX-License-Identifier: MIT */
/*
 * Messages, /me, /msg, /topic and /away. Each becomes an event, whose text is
 * the line for the other clients: it is formatted once for all.
 */
#include "chat/command.h"

#include <stdio.h>
#include <string.h>

#include "chat/event.h"
#include "chat/room.h"

static bool say_event(struct chat_member *member,
		      const struct chat_event *event, const char *before,
		      const char *text)
{
	if (chat_event_send(member->chat, event, "%s%s", before, text) == 0)
		return true;
	chat_member_tell(member, "! slow down");
	return false;
}

/* Whether each worker may keep a text. False: the member was told so. */
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

/* The seat in the current room; NULL: the member may not speak there, and was
 * told why. */
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
	struct chat_event event = {
		.kind = CHAT_EVENT_MESSAGE,
		.from = member->id,
		.name = member->nickname,
	};
	char before[2 * CHAT_NAME_MAX + 16];

	if (seat == NULL)
		return;
	event.rooms = seat->room->name;
	snprintf(before, sizeof(before), action ? "[%s] * %s " : "[%s] <%s> ",
		 seat->room->name, member->nickname);
	say_event(member, &event, before, text);
}

void chat_say_private(struct chat_member *member, struct chat_args *args)
{
	const char *nickname = chat_args_word(args);
	struct chat_event event = {
		.kind = CHAT_EVENT_PRIVATE,
		.from = member->id,
		.name = member->nickname,
	};
	struct chat_person *person;
	char before[CHAT_NAME_MAX + 8];

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
	snprintf(before, sizeof(before), "(%s) ", member->nickname);
	say_event(member, &event, before, args->rest);
	if (person->away != NULL)
		chat_member_tell(member, "* %s is away: %s", person->nickname,
				 person->away);
}

void chat_say_topic(struct chat_member *member, struct chat_args *args)
{
	const char *topic = args->rest;
	struct chat_seat *seat =
		topic[0] == '\0' ? chat_args_seat(member) : say_seat(member);
	struct chat_event event = {
		.kind = CHAT_EVENT_TOPIC,
		.from = member->id,
		.name = member->nickname,
	};
	char before[2 * CHAT_NAME_MAX + 32];

	if (seat == NULL)
		return;
	if (topic[0] == '\0') {
		chat_room_tell_topic(member->chat, seat->room, member);
		return;
	}
	if (!say_may_keep(member, topic))
		return;
	event.rooms = seat->room->name;
	snprintf(before, sizeof(before),
		 "* %s set the topic of %s: ", member->nickname,
		 seat->room->name);
	say_event(member, &event, before, topic);
}

void chat_say_away(struct chat_member *member, struct chat_args *args)
{
	struct chat_event event = {
		.kind = CHAT_EVENT_AWAY,
		.from = member->id,
		.number = args->rest[0] != '\0',
	};

	if ((event.number != 0 && !say_may_keep(member, args->rest)) ||
	    !say_event(member, &event, "", args->rest))
		return;
	if (event.number != 0)
		chat_member_tell(member, "* you are away: %s", args->rest);
	else
		chat_member_tell(member, "* you are back");
}
