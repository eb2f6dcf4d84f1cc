/* SPDX-License-Identifier: MIT */
/*
 * Reads the arguments of commands and reports bad ones, in the same words for
 * all commands.
 */
#include "chat/command_args.h"

#include <string.h>

#include <lined/word.h>

char *chat_args_word(struct chat_args *args)
{
	char *word = args->rest, *end = word + strcspn(word, " ");

	args->rest = end + strspn(end, " ");
	*end = '\0';
	return word;
}

bool chat_args_number(const char *text, uint64_t max, uint64_t *number)
{
	const struct lined_word word = {.text = text, .len = strlen(text)};

	return lined_word_unsigned(&word, max, number);
}

void chat_args_usage(struct chat_member *member, const struct chat_args *args)
{
	chat_member_tell(member, "! usage: /%s%s%s", args->command,
			 args->synopsis[0] != '\0' ? " " : "", args->synopsis);
}

struct chat_person *chat_args_person(struct chat_member *member,
				     const char *nickname)
{
	struct chat_person *person =
		chat_nicknames_find_name(member->chat, nickname);

	if (person == NULL)
		chat_member_tell(member, "! no such nickname: %s", nickname);
	return person;
}

struct chat_seat *chat_args_seat(struct chat_member *member)
{
	if (member->seats == NULL)
		chat_member_tell(member, "! you are in no room");
	return member->seats;
}
