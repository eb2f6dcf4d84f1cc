/* SPDX-License-Identifier: MIT */
/* The table of all commands, and the functions of short commands. */
#include "chat/command.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "chat/history.h"
#include "chat/room_seat.h"

struct command {
	const char *name;
	const char *synopsis; /* words in brackets are optional */
	void (*run)(struct chat_member *member, struct chat_args *args);
	bool for_operators;
};

/* ---- rooms -------------------------------------------------------------- */

static void command_join(struct chat_member *member, struct chat_args *args)
{
	const char *room = chat_args_word(args);

	chat_seat_join(member, room, args->rest);
}

static void command_part(struct chat_member *member, struct chat_args *args)
{
	const char *room = args->rest;
	struct chat_seat *seat;

	if (room[0] == '\0') {
		seat = chat_args_seat(member);
	} else {
		seat = chat_seat_find(member, room);
		if (seat == NULL)
			chat_member_tell(member, "! not in %s", room);
	}
	if (seat != NULL)
		chat_seat_part(seat);
}

static void command_history(struct chat_member *member, struct chat_args *args)
{
	const struct chat_seat *seat;
	uint64_t count = SIZE_MAX;

	if (args->rest[0] != '\0' &&
	    !chat_args_number(args->rest, 1000000, &count)) {
		chat_args_usage(member, args);
		return;
	}
	seat = chat_args_seat(member);
	if (seat != NULL)
		chat_history_tell(&seat->room->history, seat->room->name,
				  member, (size_t)count);
}

/* ---- the member itself -------------------------------------------------- */

static void command_me(struct chat_member *member, struct chat_args *args)
{
	chat_say(member, args->rest, true);
}

static void command_ignore(struct chat_member *member, struct chat_args *args)
{
	const struct chat_person *person = chat_args_person(member, args->rest);

	if (person != NULL)
		chat_member_ignore(member, person->id, person->nickname);
}

static void command_ping(struct chat_member *member, struct chat_args *args)
{
	chat_member_tell(member, "* pong");
}

static void command_quit(struct chat_member *member, struct chat_args *args)
{
	/* A muted member may not give a reason: rooms would get the reason like
	 * a message. */
	if (args->rest[0] != '\0' && !chat_member_is_muted(member))
		member->reason = strdup(args->rest);
	chat_member_close(member, LINED_CLOSE_PEER);
}

/* ---- the table ---------------------------------------------------------- */

static void command_help(struct chat_member *member, struct chat_args *args);

static const struct command commands[] = {
	{"help", "", command_help, false},
	{"nick", "NAME", chat_nick_change, false},
	{"join", "ROOM [KEY]", command_join, false},
	{"part", "[ROOM]", command_part, false},
	{"rooms", "", chat_who_rooms, false},
	{"who", "[ROOM]", chat_who, false},
	{"msg", "NICK TEXT", chat_say_private, false},
	{"me", "TEXT", command_me, false},
	{"topic", "[TEXT]", chat_say_topic, false},
	{"history", "[N]", command_history, false},
	{"ignore", "NICK", command_ignore, false},
	{"away", "[TEXT]", chat_say_away, false},
	{"ping", "", command_ping, false},
	{"quit", "[REASON]", command_quit, false},
	{"oper", "NAME PASSWORD", chat_operator_login, false},
	{"kick", "NICK [REASON]", chat_operator_kick, true},
	{"ban", "NICK [REASON]", chat_operator_ban, true},
	{"unban", "NICK", chat_operator_unban, true},
	{"mute", "NICK SECONDS", chat_operator_mute, true},
	{"announce", "TEXT", chat_operator_announce, true},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void command_list(struct chat_member *member, const char *heading,
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
	chat_member_tell(member, "* %s:%s", heading, text);
}

static void command_help(struct chat_member *member, struct chat_args *args)
{
	command_list(member, "commands", false);
	if (member->is_operator)
		command_list(member, "for operators", true);
}

static const struct command *command_find(const char *name)
{
	size_t i;

	for (i = 0; i < COMMANDS; i++)
		if (strcasecmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

/* ---- running ------------------------------------------------------------ */

static void command_run(struct chat_member *member, char *text)
{
	struct chat_args args = {.rest = text};
	const char *name = chat_args_word(&args);
	const struct command *command = command_find(name);
	size_t len;

	if (command == NULL) {
		chat_member_tell(member, "! unknown command: /%s (try /help)",
				 name);
		return;
	}
	if (command->for_operators && !member->is_operator) {
		chat_member_tell(member, "! operators only");
		return;
	}
	/* Cut trailing spaces: otherwise they would belong to the last word,
	 * which may be a name. */
	len = strlen(args.rest);
	while (len > 0 && args.rest[len - 1] == ' ')
		args.rest[--len] = '\0';
	args.command = command->name;
	args.synopsis = command->synopsis;
	if (args.rest[0] == '\0' && command->synopsis[0] != '\0' &&
	    command->synopsis[0] != '[')
		chat_args_usage(member, &args);
	else
		command->run(member, &args);
}

void chat_command(struct chat_member *member, char *text)
{
	if (text[0] == '/' && text[1] != '/')
		command_run(member, text + 1);
	else
		chat_say(member, text + (text[0] == '/'), false);
}
