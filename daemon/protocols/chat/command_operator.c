/* SPDX-License-Identifier: MIT */
/*
 * /oper, and the commands of operators. The target's worker kicks or mutes the
 * target. The operator's next line is read when that worker has answered, or
 * after two seconds.
 */
#include "chat/command.h"

#include <stdio.h>

#include <lined/registry.h>

#include "chat/password.h"
#include "chat/room_seat.h"

#define MUTE_SECONDS_MAX (365u * 24 * 60 * 60)

static void operator_verified(struct lined_socket *client, void *arg, bool good)
{
	struct chat_member *member = arg;

	if (good) {
		member->is_operator = true;
		member->failures = 0;
		CHAT_MEMBER_LOG(member, "%s is now operator %s",
				member->nickname, member->wanted);
		chat_member_tell(member, "* you are now an operator");
	} else {
		chat_password_wrong(member, member->wanted);
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
	snprintf(member->wanted, sizeof(member->wanted), "%s", name);
	if (found == NULL)
		chat_password_wrong(member, member->wanted);
	else
		chat_password_verify(member, args->rest, found->hash,
				     operator_verified);
}

/* ---- moderation --------------------------------------------------------- */

/* The arguments NICK [REASON], and the operator's current room, to which they
 * apply. */
struct operator_target {
	const char *room, *reason;
	const char *colon; /* before the reason; "" if there is none */
	const struct chat_person *person;
	bool is_here; /* the person is in the room */
};

/* False: there is no such target, and the operator gets an error. */
static bool operator_find_target(struct chat_member *member,
				 struct chat_args *args,
				 struct operator_target *target)
{
	const char *nickname = chat_args_word(args);
	const struct chat_seat *seat = chat_args_seat(member);
	char entry[CHAT_NAME_MAX + 32];
	struct lined_registry_entry found;

	if (seat == NULL)
		return false;
	target->room = seat->room->name;
	target->reason = args->rest;
	target->colon = args->rest[0] != '\0' ? ": " : "";
	target->person = chat_args_person(member, nickname);
	if (target->person == NULL)
		return false;
	snprintf(entry, sizeof(entry), CHAT_SEAT_PREFIX "%s/%llu", target->room,
		 (unsigned long long)target->person->id);
	target->is_here =
		lined_registry_find(member->chat->service, entry, &found);
	return true;
}

/* Asks the target's worker to kick the target. The event's text follows the
 * nickname in the notice. */
static void operator_ask_kick(struct chat_member *member,
			      const struct operator_target *target)
{
	struct chat_event event = chat_member_event(member, CHAT_EVENT_KICK);

	event.to = target->person->id;
	event.rooms = target->room;
	chat_member_await(member);
	if (!chat_member_has_sent(
		    member, chat_event_send(member->chat, &event,
					    "was kicked from %s by %s%s%s",
					    target->room, member->nickname,
					    target->colon, target->reason)))
		chat_member_answered(member);
}

void chat_operator_kick(struct chat_member *member, struct chat_args *args)
{
	struct operator_target target;

	if (!operator_find_target(member, args, &target))
		return;
	if (!target.is_here) {
		chat_member_tell(member, "! not in %s", target.room);
		return;
	}
	CHAT_MEMBER_LOG(member, "%s kicked %s from %s%s%s", member->nickname,
			target.person->nickname, target.room, target.colon,
			target.reason);
	lined_service_count(member->chat->service, "kicks", 1);
	operator_ask_kick(member, &target);
}

static bool operator_set_ban(struct chat_member *member, const char *room,
			     const char *nickname, uint64_t id, bool banned)
{
	struct chat_event event = chat_member_event(member, CHAT_EVENT_BAN);

	event.to = id;
	event.number = banned;
	event.rooms = room;
	event.name = nickname;
	return chat_member_has_sent(
		member, chat_event_send(member->chat, &event, "%s", ""));
}

void chat_operator_ban(struct chat_member *member, struct chat_args *args)
{
	struct operator_target target;

	if (!operator_find_target(member, args, &target) ||
	    !operator_set_ban(member, target.room, target.person->nickname,
			      target.person->id, true))
		return;
	CHAT_MEMBER_LOG(member, "%s banned %s from %s%s%s", member->nickname,
			target.person->nickname, target.room, target.colon,
			target.reason);
	lined_service_count(member->chat->service, "bans", 1);
	if (target.is_here)
		operator_ask_kick(member, &target);
	else
		chat_member_tell(member, "* %s is banned from %s",
				 target.person->nickname, target.room);
}

/* Lifts a ban of the nickname, or of the member that has it now. False: no such
 * ban. */
static bool operator_lift_ban(struct chat_member *member,
			      const struct chat_room *room,
			      const char *nickname, uint64_t id)
{
	if (!chat_room_is_banned(room, id, nickname))
		return false;
	if (!operator_set_ban(member, room->name, nickname, id, false))
		return true;
	CHAT_MEMBER_LOG(member, "%s unbanned %s from %s", member->nickname,
			nickname, room->name);
	lined_service_count(member->chat->service, "unbans", 1);
	chat_member_tell(member, "* %s is no longer banned from %s", nickname,
			 room->name);
	return true;
}

/* Lifts the ban in the current room; if there is none, the bans in all rooms,
 * because operators that banned themselves are in no room. */
void chat_operator_unban(struct chat_member *member, struct chat_args *args)
{
	const char *nickname = args->rest;
	const struct chat_person *person =
		chat_nicknames_find_name(member->chat, nickname);
	uint64_t id = person != NULL ? person->id : 0;
	const struct chat_room *room = chat_room_next(member->chat, "");
	bool any = false;

	if (member->seats != NULL &&
	    operator_lift_ban(member, member->seats->room, nickname, id))
		return;
	for (; room != NULL; room = chat_room_next(member->chat, room->name))
		any |= operator_lift_ban(member, room, nickname, id);
	if (any)
		return;
	if (person != NULL)
		chat_member_tell(member, "! %s is not banned", nickname);
	else
		chat_member_tell(member, "! no such nickname: %s", nickname);
}

void chat_operator_mute(struct chat_member *member, struct chat_args *args)
{
	const char *nickname = chat_args_word(args);
	struct chat_event event = chat_member_event(member, CHAT_EVENT_MUTE);
	struct chat_person *person;
	uint64_t number;

	if (!chat_args_number(args->rest, MUTE_SECONDS_MAX, &number)) {
		chat_args_usage(member, args);
		return;
	}
	person = chat_args_person(member, nickname);
	if (person == NULL)
		return;
	CHAT_MEMBER_LOG(member, "%s muted %s for %llu s", member->nickname,
			person->nickname, (unsigned long long)number);
	lined_service_count(member->chat->service, "mutes", 1);
	event.to = person->id;
	event.number = (int64_t)number;
	chat_member_await(member);
	if (!chat_member_has_sent(
		    member, chat_event_send(member->chat, &event, "%s", "")))
		chat_member_answered(member);
}

void chat_operator_announce(struct chat_member *member, struct chat_args *args)
{
	struct chat_event event =
		chat_member_event(member, CHAT_EVENT_ANNOUNCE);

	if (!chat_member_has_sent(member, chat_event_send(member->chat, &event,
							  "* announcement: %s",
							  args->rest)))
		return;
	CHAT_MEMBER_LOG(member, "%s announced: %s", member->nickname,
			args->rest);
	lined_service_count(member->chat->service, "announcements", 1);
}
