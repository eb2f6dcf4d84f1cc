/* SPDX-License-Identifier: MIT */
/*
 * The commands that everybody has, and the table of all. Operators' commands
 * are done in chat_oper.c.
 */
#include "chat/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "chat/name.h"
#include "chat/oper.h"
#include "chat/seat.h"
#include "chat/who.h"

struct command {
	const char *name;
	const char *synopsis; /* words in brackets may be left out */
	void (*run)(struct chat_member *member, char *args);
	bool for_operators;
};

char *chat_command_word(char *text, char **rest)
{
	char *end = text + strcspn(text, " ");

	*rest = end + strspn(end, " ");
	*end = '\0';
	return text;
}

struct chat_person *chat_command_person(struct chat_member *member,
					const char *nickname)
{
	struct chat_person *person =
		chat_people_find_name(member->chat, nickname);

	if (person == NULL)
		chat_member_tell(member, "! no such nickname: %s", nickname);
	return person;
}

struct chat_seat *chat_command_seat(struct chat_member *member)
{
	if (member->seats == NULL)
		chat_member_tell(member, "! you are in no room");
	return member->seats;
}

/* ---- saying something --------------------------------------------------- */

static void send_event(struct chat_member *member,
		       const struct chat_event *event, const char *before,
		       const char *text)
{
	if (chat_event_send(member->chat, event, "%s%s", before, text) < 0)
		chat_member_tell(member, "! slow down");
}

static bool is_muted(struct chat_member *member)
{
	bool muted = chat_member_is_muted(member);

	if (muted)
		chat_member_tell(member, "! you are muted");
	return muted;
}

/* The current seat where the member may speak; NULL: it has been told. */
static struct chat_seat *speaking_seat(struct chat_member *member)
{
	struct chat_seat *seat = chat_command_seat(member);
	const struct chat_room_options *options;

	if (seat == NULL || is_muted(member))
		return NULL;
	options = chat_room_options(member->chat, seat->room->name);
	if (options == NULL || !options->read_only || member->is_operator)
		return seat;
	chat_member_tell(member, "! %s is read-only", seat->room->name);
	return NULL;
}

static void say(struct chat_member *member, const char *text, bool action)
{
	struct chat_seat *seat = speaking_seat(member);
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
	send_event(member, &event, before, text);
}

static void run_me(struct chat_member *member, char *args)
{
	say(member, args, true);
}

static void run_msg(struct chat_member *member, char *args)
{
	char *text, *nickname = chat_command_word(args, &text);
	struct chat_event event = {
		.kind = CHAT_EVENT_PRIVATE,
		.from = member->id,
		.name = member->nickname,
	};
	struct chat_person *person;
	char before[CHAT_NAME_MAX + 8];

	if (text[0] == '\0') {
		chat_command_usage(member, "msg");
		return;
	}
	if (is_muted(member))
		return;
	person = chat_command_person(member, nickname);
	if (person == NULL)
		return;
	event.to = person->id;
	snprintf(before, sizeof(before), "(%s) ", member->nickname);
	send_event(member, &event, before, text);
	if (person->away != NULL)
		chat_member_tell(member, "* %s is away: %s", person->nickname,
				 person->away);
}

static void run_topic(struct chat_member *member, char *args)
{
	struct chat_seat *seat;
	struct chat_event event = {
		.kind = CHAT_EVENT_TOPIC,
		.from = member->id,
		.name = member->nickname,
	};
	char before[2 * CHAT_NAME_MAX + 32];

	seat = args[0] == '\0' ? chat_command_seat(member)
			       : speaking_seat(member);
	if (seat == NULL)
		return;
	if (args[0] == '\0') {
		chat_room_tell_topic(member->chat, seat->room, member);
		return;
	}
	event.rooms = seat->room->name;
	snprintf(before, sizeof(before),
		 "* %s set the topic of %s: ", member->nickname,
		 seat->room->name);
	send_event(member, &event, before, args);
}

/* ---- rooms -------------------------------------------------------------- */

static void run_nick(struct chat_member *member, char *args)
{
	chat_name_ask(member, args);
}

static void run_join(struct chat_member *member, char *args)
{
	char *key, *room = chat_command_word(args, &key);

	chat_seat_ask(member, room, key);
}

static void run_part(struct chat_member *member, char *args)
{
	struct chat_seat *seat;

	if (args[0] == '\0') {
		seat = chat_command_seat(member);
	} else {
		seat = chat_seat_find(member, args);
		if (seat == NULL)
			chat_member_tell(member, "! not in %s", args);
	}
	if (seat != NULL)
		chat_seat_leave(seat);
}

static void run_rooms(struct chat_member *member, char *args)
{
	(void)args;
	chat_who_rooms(member);
}

static void run_who(struct chat_member *member, char *args)
{
	struct chat_seat *seat;

	if (args[0] != '\0') {
		chat_who(member, args);
		return;
	}
	seat = chat_command_seat(member);
	if (seat != NULL)
		chat_who(member, seat->room->name);
}

static void run_history(struct chat_member *member, char *args)
{
	struct chat_seat *seat;
	unsigned long count = SIZE_MAX;

	if (args[0] != '\0' && !chat_text_number(args, 1000000, &count)) {
		chat_command_usage(member, "history");
		return;
	}
	seat = chat_command_seat(member);
	if (seat != NULL)
		chat_history_tell(&seat->room->history, seat->room->name,
				  member, count);
}

/* ---- oneself ------------------------------------------------------------ */

static void run_ignore(struct chat_member *member, char *args)
{
	struct chat_person *person = chat_command_person(member, args);

	if (person != NULL)
		chat_member_ignore(member, person->id);
}

static void run_away(struct chat_member *member, char *args)
{
	struct chat_event event = {
		.kind = CHAT_EVENT_AWAY,
		.from = member->id,
		.number = args[0] != '\0',
	};

	send_event(member, &event, "", args);
}

static void run_ping(struct chat_member *member, char *args)
{
	(void)args;
	chat_member_tell(member, "* pong");
}

static void run_quit(struct chat_member *member, char *args)
{
	/* It is said to everybody. */
	if (args[0] != '\0' && !chat_member_is_muted(member))
		member->reason = strdup(args);
	chat_member_end(member, LINED_CLOSE_PEER);
}

/* ---- the table ---------------------------------------------------------- */

static void run_help(struct chat_member *member, char *args);

static const struct command commands[] = {
	{"help", "", run_help, false},
	{"nick", "NAME", run_nick, false},
	{"join", "ROOM [KEY]", run_join, false},
	{"part", "[ROOM]", run_part, false},
	{"rooms", "", run_rooms, false},
	{"who", "[ROOM]", run_who, false},
	{"msg", "NICK TEXT", run_msg, false},
	{"me", "TEXT", run_me, false},
	{"topic", "[TEXT]", run_topic, false},
	{"history", "[N]", run_history, false},
	{"ignore", "NICK", run_ignore, false},
	{"away", "[TEXT]", run_away, false},
	{"ping", "", run_ping, false},
	{"quit", "[REASON]", run_quit, false},
	{"oper", "NAME PASSWORD", chat_oper_login, false},
	{"kick", "NICK [REASON]", chat_oper_kick, true},
	{"ban", "NICK [REASON]", chat_oper_ban, true},
	{"unban", "NICK", chat_oper_unban, true},
	{"mute", "NICK SECONDS", chat_oper_mute, true},
	{"announce", "TEXT", chat_oper_announce, true},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(struct chat_member *member, const char *what,
		 bool for_operators)
{
	char text[512];
	size_t i, used = 0;

	for (i = 0; i < COMMANDS; i++)
		if (commands[i].for_operators == for_operators)
			used += (size_t)snprintf(
				text + used, sizeof(text) - used, " /%s%s%s",
				commands[i].name,
				commands[i].synopsis[0] != '\0' ? " " : "",
				commands[i].synopsis);
	chat_member_tell(member, "* %s:%s", what, text);
}

static void run_help(struct chat_member *member, char *args)
{
	(void)args;
	help(member, "commands", false);
	if (member->is_operator)
		help(member, "for operators", true);
}

static const struct command *find(const char *name)
{
	size_t i;

	for (i = 0; i < COMMANDS; i++)
		if (strcasecmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

void chat_command_usage(struct chat_member *member, const char *name)
{
	const struct command *command = find(name);

	chat_member_tell(member, "! usage: /%s%s%s", name,
			 command->synopsis[0] != '\0' ? " " : "",
			 command->synopsis);
}

/* Spaces at the end belong to no name and are seen by nobody. */
static void trim(char *text)
{
	size_t len = strlen(text);

	while (len > 0 && text[len - 1] == ' ')
		text[--len] = '\0';
}

static void run(struct chat_member *member, char *text)
{
	char *args, *name = chat_command_word(text, &args);
	const struct command *command = find(name);

	trim(args);
	if (command == NULL)
		chat_member_tell(member, "! unknown command: /%s (try /help)",
				 name);
	else if (command->for_operators && !member->is_operator)
		chat_member_tell(member, "! operators only");
	else if (args[0] == '\0' && command->synopsis[0] != '\0' &&
		 command->synopsis[0] != '[')
		chat_command_usage(member, command->name);
	else
		command->run(member, args);
}

void chat_command(struct chat_member *member, char *text)
{
	if (text[0] == '\0')
		return;
	if (text[0] == '/' && text[1] != '/')
		run(member, text + 1);
	else
		say(member, text + (text[0] == '/'), false);
}
