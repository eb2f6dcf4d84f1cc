/* SPDX-License-Identifier: MIT */
/*
 * /oper, and the commands that it allows. The worker of the target kicks or
 * mutes it. The operator's next line is read when that worker has answered.
 */
#include "chat/operator.h"

#include <stdio.h>

#include <lined/registry.h>

#include "chat/password.h"
#include "chat/seat.h"

#define MUTE_SECONDS_MAX (365u * 24 * 60 * 60)

static void operator_verified(struct lined_socket *client, void *arg, bool good)
{
	struct chat_member *member = arg;

	(void)client;
	if (good) {
		member->is_operator = true;
		member->failures = 0;
		lined_service_log(member->chat->service, LINED_LOG_NOTICE,
				  "client %llu %s: %s is an operator",
				  (unsigned long long)member->id,
				  lined_client_peer(member->socket),
				  member->nickname);
		chat_member_tell(member, "* you are now an operator");
	} else {
		chat_password_wrong(member);
	}
	chat_member_release(member);
}

void chat_operator_login(struct chat_member *member, struct chat_args *args)
{
	const char *name = chat_args_word(args);
	const struct chat_operator_options *found;

	if (args->rest[0] == '\0') {
		chat_args_usage(member, args);
		return;
	}
	found = chat_options_operator(chat_options(member->chat), name,
				      lined_client_peer(member->socket));
	if (found == NULL)
		chat_password_wrong(member);
	else
		chat_password_verify(member, args->rest, found->hash,
				     operator_verified);
}

/* ---- moderation --------------------------------------------------------- */

/* The text of the event follows the nickname in the notice. */
static void operator_ask_kick(struct chat_member *member, const char *room,
			      uint64_t id, const char *reason)
{
	struct chat_event event = {
		.kind = CHAT_EVENT_KICK,
		.from = member->id,
		.to = id,
		.rooms = room,
		.name = member->nickname,
	};

	chat_member_await(member);
	if (chat_event_send(member->chat, &event,
			    "was kicked from %s by %s%s%s", room,
			    member->nickname, reason[0] != '\0' ? ": " : "",
			    reason) < 0)
		chat_member_answered(member);
}

static bool operator_sees(struct chat *chat, const char *room, uint64_t id)
{
	char entry[CHAT_NAME_MAX + 32];
	struct lined_registry_entry found;

	snprintf(entry, sizeof(entry), CHAT_SEAT_PREFIX "%s/%llu", room,
		 (unsigned long long)id);
	return lined_registry_find(chat->service, entry, &found);
}

/* The arguments NICK [REASON], and the operator's current room, to which they
 * apply. */
struct operator_target {
	const char *room, *reason;
	const struct chat_person *person;
};

/* False: there is no such target, and the operator was told. */
static bool operator_find_target(struct chat_member *member,
				 struct chat_args *args,
				 struct operator_target *target)
{
	const char *nickname = chat_args_word(args);
	const struct chat_seat *seat = chat_args_seat(member);

	if (seat == NULL)
		return false;
	target->room = seat->room->name;
	target->reason = args->rest;
	target->person = chat_args_person(member, nickname);
	return target->person != NULL;
}

void chat_operator_kick(struct chat_member *member, struct chat_args *args)
{
	struct operator_target target;

	if (!operator_find_target(member, args, &target))
		return;
	if (operator_sees(member->chat, target.room, target.person->id))
		operator_ask_kick(member, target.room, target.person->id,
				  target.reason);
	else
		chat_member_tell(member, "! not in %s", target.room);
}

static void operator_set_ban(struct chat_member *member, const char *room,
			     const char *nickname, uint64_t id, bool banned)
{
	struct chat_event event = {
		.kind = CHAT_EVENT_BAN,
		.from = member->id,
		.to = id,
		.number = banned,
		.rooms = room,
		.name = nickname,
	};

	chat_event_send(member->chat, &event, "%s", "");
}

void chat_operator_ban(struct chat_member *member, struct chat_args *args)
{
	struct operator_target target;

	if (!operator_find_target(member, args, &target))
		return;
	operator_set_ban(member, target.room, target.person->nickname,
			 target.person->id, true);
	if (operator_sees(member->chat, target.room, target.person->id))
		operator_ask_kick(member, target.room, target.person->id,
				  target.reason);
}

/* Finds the ban by the banned nickname, or by the present nickname of the
 * member. */
void chat_operator_unban(struct chat_member *member, struct chat_args *args)
{
	const char *nickname = args->rest;
	const struct chat_seat *seat = chat_args_seat(member);
	const struct chat_person *person;
	uint64_t id;

	if (seat == NULL)
		return;
	person = chat_people_find_name(member->chat, nickname);
	id = person != NULL ? person->id : 0;
	if (chat_room_is_banned(seat->room, id, nickname))
		operator_set_ban(member, seat->room->name, nickname, id, false);
	else
		chat_member_tell(member, "! no such nickname: %s", nickname);
}

void chat_operator_mute(struct chat_member *member, struct chat_args *args)
{
	const char *nickname = chat_args_word(args);
	struct chat_event event = {
		.kind = CHAT_EVENT_MUTE,
		.from = member->id,
		.name = member->nickname,
	};
	struct chat_person *person;
	uint64_t number;

	if (!chat_args_number(args->rest, MUTE_SECONDS_MAX, &number)) {
		chat_args_usage(member, args);
		return;
	}
	person = chat_args_person(member, nickname);
	if (person == NULL)
		return;
	event.to = person->id;
	event.number = (int64_t)number;
	chat_member_await(member);
	if (chat_event_send(member->chat, &event, "%s", "") < 0)
		chat_member_answered(member);
}

void chat_operator_announce(struct chat_member *member, struct chat_args *args)
{
	struct chat_event event = {
		.kind = CHAT_EVENT_ANNOUNCE,
		.from = member->id,
	};

	chat_event_send(member->chat, &event, "* announcement: %s", args->rest);
}
