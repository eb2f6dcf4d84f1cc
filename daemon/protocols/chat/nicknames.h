/* SPDX-License-Identifier: MIT */
/*
 * The nicknames of the members of all workers, their owners (struct
 * chat_person), and who is away. A nickname is the registry's entry `n/NAME`,
 * with NAME in lower case; the value is the nickname as its owner wrote it. A
 * member that changes only the case of letters keeps this entry and claims
 * `n/NAME/COUNT` with the new spelling.
 */
#pragma once

#include "chat/chat.h"
#include "chat/name_syntax.h"

#define CHAT_NICKNAME_PREFIX "n/"
/* Sizes of an entry's name, without and with COUNT. */
#define CHAT_NICKNAME_ENTRY_MAX    64
#define CHAT_NICKNAME_SPELLING_MAX (CHAT_NICKNAME_ENTRY_MAX + 16)

/* The owner of a nickname: a member of any worker. */
struct chat_person {
	uint64_t id; /* lined_client_id(); must be first, see chat_find() */
	char nickname[CHAT_NAME_MAX + 1];
	/* The name of the registry entry with the nickname's spelling. */
	char entry[CHAT_NICKNAME_SPELLING_MAX];
	char *away; /* NULL: not away */
};

/* Finds the owner of a nickname by id; NULL: none. */
struct chat_person *chat_nicknames_find(struct chat *chat, uint64_t id);

/* Finds the owner by nickname, without regard to case; NULL: none. */
struct chat_person *chat_nicknames_find_name(struct chat *chat,
					     const char *nickname);

/* Writes the name of a nickname's entry. */
void chat_nicknames_entry(char entry[CHAT_NICKNAME_ENTRY_MAX],
			  const char *nickname);

/* The number in a guest's entry; 0: the entry is not a guest's, or its number
 * is too high. */
uint64_t chat_nicknames_guest(const char *entry);

/* Call these when an entry with CHAT_NICKNAME_PREFIX was added or removed. */
void chat_nicknames_came(struct chat *chat,
			 const struct lined_registry_entry *entry);
void chat_nicknames_gone(struct chat *chat,
			 const struct lined_registry_entry *entry);

/* Sets the away text, of len bytes; NULL: the person is back. */
void chat_nicknames_set_away(struct chat *chat, uint64_t id, const char *text,
			     size_t len);

void chat_nicknames_free(struct chat *chat);
