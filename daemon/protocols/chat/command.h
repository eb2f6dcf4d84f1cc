/* SPDX-License-Identifier: MIT */
/*
 * What a member's lines say: a message to its current room, or a command.
 */
#ifndef CHAT_COMMAND_H
#define CHAT_COMMAND_H

#include "chat/member.h"

/* Does what a clean line asks for; text is changed on the way. */
void chat_command(struct chat_member *member, char *text);

/* Takes the first word off: returns it, *rest is behind it and its spaces. */
char *chat_command_word(char *text, char **rest);

/* "! usage: " and how the command is written. */
void chat_command_usage(struct chat_member *member, const char *name);

/* The person of that nickname; NULL, and the member has been told. */
struct chat_person *chat_command_person(struct chat_member *member,
					const char *nickname);

/* The member's current seat; NULL, and the member has been told. */
struct chat_seat *chat_command_seat(struct chat_member *member);

#endif
