/* SPDX-License-Identifier: MIT */
/*
 * What operators do to others is asked of the worker that the other is on; the
 * operator's next line is read when that has answered.
 */
#include "chat/oper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "chat/command.h"
#include "chat/name.h"
#include "chat/seat.h"

#define FAILURES_MAX 3
#define MUTE_MAX     (365UL * 24 * 60 * 60)

/* ---- passwords ---------------------------------------------------------- */

static void fail(struct chat_member *member)
{
	chat_member_tell(member, "! wrong password");
	lined_service_count(member->chat->service, "passwords_wrong", 1);
	if (++member->failures >= FAILURES_MAX)
		chat_member_end(member, LINED_CLOSE_LIMIT);
}

static void
verify(struct chat_member *member, const char *password, const char *hash,
       void (*verified)(struct lined_socket *client, void *arg, bool good))
{
	if (lined_service_verify_password(member->chat->service, member->socket,
					  password, hash, verified,
					  member) == 0) {
		chat_member_hold(member);
		return;
	}
	lined_service_log(member->chat->service, LINED_LOG_WARNING,
			  "password: %s", strerror(errno));
	fail(member);
}

static void let_in(struct chat_member *member, bool good)
{
	if (!good) {
		fail(member);
		return;
	}
	member->knows_password = true;
	member->failures = 0;
	chat_name_guest(member);
}

static void password_verified(struct lined_socket *client, void *arg, bool good)
{
	struct chat_member *member = arg;

	(void)client;
	let_in(member, good);
	chat_member_release(member);
}

void chat_oper_password(struct chat_member *member, const char *line)
{
	const char *password = chat_options(member->chat)->password;

	if (password[0] == '$')
		verify(member, line, password, password_verified);
	else
		let_in(member, password[0] == '\0' ||
				       lined_password_equal(password, line));
}

static void login_verified(struct lined_socket *client, void *arg, bool good)
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
		fail(member);
	}
	chat_member_release(member);
}

void chat_oper_login(struct chat_member *member, char *args)
{
	char *password, *name = chat_command_word(args, &password);
	const struct chat_operator_options *found;

	if (password[0] == '\0') {
		chat_command_usage(member, "oper");
		return;
	}
	found = chat_options_operator(chat_options(member->chat), name,
				      lined_client_peer(member->socket));
	if (found == NULL)
		fail(member);
	else
		verify(member, password, found->hash, login_verified);
}

/* ---- moderation --------------------------------------------------------- */

/* What is told of a kick, after the nickname. */
static void ask_to_kick(struct chat_member *member, const char *room,
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

static bool is_in_room(struct chat *chat, const char *room, uint64_t id)
{
	char entry[CHAT_NAME_MAX + 32];
	struct lined_registry_entry found;

	snprintf(entry, sizeof(entry), CHAT_SEAT_PREFIX "%s/%llu", room,
		 (unsigned long long)id);
	return lined_registry_find(chat->service, entry, &found);
}

/* Whom NICK [REASON] means, in the member's current room. */
struct target {
	const char *room;
	const struct chat_person *person;
	char *reason;
};

/* False: the member has been told why not. */
static bool find_target(struct chat_member *member, char *args,
			struct target *target)
{
	char *nickname = chat_command_word(args, &target->reason);
	const struct chat_seat *seat = chat_command_seat(member);

	if (seat == NULL)
		return false;
	target->room = seat->room->name;
	target->person = chat_command_person(member, nickname);
	return target->person != NULL;
}

void chat_oper_kick(struct chat_member *member, char *args)
{
	struct target target;

	if (!find_target(member, args, &target))
		return;
	if (is_in_room(member->chat, target.room, target.person->id))
		ask_to_kick(member, target.room, target.person->id,
			    target.reason);
	else
		chat_member_tell(member, "! not in %s", target.room);
}

static int set_ban(struct chat_member *member, const char *room,
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

	return chat_event_send(member->chat, &event, "%s", "");
}

void chat_oper_ban(struct chat_member *member, char *args)
{
	struct target target;

	if (!find_target(member, args, &target))
		return;
	set_ban(member, target.room, target.person->nickname, target.person->id,
		true);
	if (is_in_room(member->chat, target.room, target.person->id))
		ask_to_kick(member, target.room, target.person->id,
			    target.reason);
}

/* By the nickname that was banned, or the one that its owner has now. */
void chat_oper_unban(struct chat_member *member, char *args)
{
	struct chat_seat *seat = chat_command_seat(member);
	const struct chat_person *person;
	uint64_t id;

	if (seat == NULL)
		return;
	person = chat_people_find_name(member->chat, args);
	id = person != NULL ? person->id : 0;
	if (chat_room_is_banned(seat->room, id, args))
		set_ban(member, seat->room->name, args, id, false);
	else
		chat_member_tell(member, "! no such nickname: %s", args);
}

void chat_oper_mute(struct chat_member *member, char *args)
{
	char *seconds, *nickname = chat_command_word(args, &seconds);
	struct chat_event event = {
		.kind = CHAT_EVENT_MUTE,
		.from = member->id,
		.name = member->nickname,
	};
	struct chat_person *person;
	unsigned long number;

	if (!chat_text_number(seconds, MUTE_MAX, &number)) {
		chat_command_usage(member, "mute");
		return;
	}
	person = chat_command_person(member, nickname);
	if (person == NULL)
		return;
	event.to = person->id;
	event.number = (int64_t)number;
	chat_member_await(member);
	if (chat_event_send(member->chat, &event, "%s", "") < 0)
		chat_member_answered(member);
}

void chat_oper_announce(struct chat_member *member, char *args)
{
	struct chat_event event = {
		.kind = CHAT_EVENT_ANNOUNCE,
		.from = member->id,
	};

	chat_event_send(member->chat, &event, "* announcement: %s", args);
}
