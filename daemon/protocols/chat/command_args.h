/* SPDX-License-Identifier: MIT */
/*
 * The arguments of a command: words, and the objects that they name. If a word
 * names nothing, the member gets an error and NULL is returned.
 */
#pragma once

#include "chat/member.h"
#include "chat/nicknames.h"
#include "chat/room_seat.h"

struct chat_args {
	const char *command;  /* without its slash */
	const char *synopsis; /* words in brackets are optional */
	char *rest;           /* not yet taken by chat_args_word() */
};

/* Takes the next word; "" if there is none. */
char *chat_args_word(struct chat_args *args);

/* Whether the text is a decimal number up to max; stores it in *number. */
bool chat_args_number(const char *text, uint64_t max, uint64_t *number);

/* Sends the member the usage of the command. */
void chat_args_usage(struct chat_member *member, const struct chat_args *args);

/* The person with the nickname in the argument. */
struct chat_person *chat_args_person(struct chat_member *member,
				     const char *nickname);

/* The member's seat in its current room. */
struct chat_seat *chat_args_seat(struct chat_member *member);
