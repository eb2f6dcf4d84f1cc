/* SPDX-License-Identifier: MIT */
/*
 * People: who has which nickname, on any worker, and whether they are away.
 * Follows the registry's entries: `n/NAME` (the name in lower case) belongs to
 * whoever has the nickname; its value is the spelling. Who changes nothing but
 * the spelling has it in `n/NAME/COUNT` beside it.
 */
#ifndef CHAT_PEOPLE_H
#define CHAT_PEOPLE_H

#include "chat/chat.h"
#include "chat/text.h"

#define CHAT_PEOPLE_PREFIX "n/"
/* An entry's name; the same with a count. */
#define CHAT_PEOPLE_ENTRY_MAX    64
#define CHAT_PEOPLE_SPELLING_MAX (CHAT_PEOPLE_ENTRY_MAX + 16)

struct chat_person {
	uint64_t id; /* lined_client_id(); first, see chat_find() */
	char nickname[CHAT_NAME_MAX + 1];
	char entry[CHAT_PEOPLE_SPELLING_MAX]; /* that it comes from */
	char *away;                           /* NULL: here */
};

struct chat_person *chat_people_find(struct chat *chat, uint64_t id);

/* By nickname, without regard to case. */
struct chat_person *chat_people_find_name(struct chat *chat,
					  const char *nickname);

/* The guest number of a name's entry; 0: it is no guest's. */
uint64_t chat_people_guest(const char *entry);

/* An entry of CHAT_PEOPLE_PREFIX has come, or gone. */
void chat_people_came(struct chat *chat,
		      const struct lined_registry_entry *entry);
void chat_people_gone(struct chat *chat,
		      const struct lined_registry_entry *entry);

/* text of len bytes; NULL: is back. */
void chat_people_set_away(struct chat *chat, uint64_t id, const char *text,
			  size_t len);

void chat_people_free(struct chat *chat);

#endif
