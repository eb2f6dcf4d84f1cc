/* SPDX-License-Identifier: MIT */
/*
 * Keeps the owners of nicknames in a tree, which is updated when an entry is
 * added to the registry or removed from it. command_nick.c claims nicknames.
 */
#include "chat/nicknames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat/charged_memory.h"

/* Guest numbers are below this, so that there is always a next number. */
#define GUEST_MAX (UINT64_C(1) << 52)

struct chat_person *chat_nicknames_find(struct chat *chat, uint64_t id)
{
	return chat_find(&chat->people, &id, chat_compare_ids);
}

void chat_nicknames_entry(char entry[CHAT_NICKNAME_ENTRY_MAX],
			  const char *nickname)
{
	strcpy(entry, CHAT_NICKNAME_PREFIX);
	chat_name_lower(entry + strlen(CHAT_NICKNAME_PREFIX), nickname);
}

struct chat_person *chat_nicknames_find_name(struct chat *chat,
					     const char *nickname)
{
	char name[CHAT_NICKNAME_ENTRY_MAX];
	struct lined_registry_entry entry;

	if (!chat_name_is_nickname(nickname))
		return NULL;
	chat_nicknames_entry(name, nickname);
	if (!lined_registry_find(chat->service, name, &entry))
		return NULL;
	return chat_nicknames_find(chat, entry.owner);
}

uint64_t chat_nicknames_guest(const char *entry)
{
	const char *name = entry + strlen(CHAT_NICKNAME_PREFIX);

	uint64_t number =
		chat_name_is_guest(name) ? strtoull(name + 5, NULL, 10) : 0;

	return number < GUEST_MAX ? number : 0;
}

static void person_free(struct chat *chat, struct chat_person *person)
{
	tdelete(person, &chat->people, chat_compare_ids);
	chat_drop_text(chat, person->away);
	chat_free(chat, person, sizeof(*person));
}

void chat_nicknames_came(struct chat *chat,
			 const struct lined_registry_entry *entry)
{
	struct chat_person *person = chat_nicknames_find(chat, entry->owner);
	char nickname[CHAT_NAME_MAX + 1];

	/* Check the entry: it may come from another node. */
	if (entry->value_len > CHAT_NAME_MAX ||
	    strlen(entry->name) >= sizeof(person->entry))
		return;
	snprintf(nickname, sizeof(nickname), "%.*s", (int)entry->value_len,
		 entry->value);
	if (!chat_name_is_nickname(nickname))
		return;
	if (person == NULL) {
		person = chat_alloc(chat, sizeof(*person));
		if (person == NULL)
			return;
		person->id = entry->owner;
		if (tsearch(person, &chat->people, chat_compare_ids) == NULL) {
			chat_free(chat, person, sizeof(*person));
			return;
		}
	}
	snprintf(person->entry, sizeof(person->entry), "%s", entry->name);
	strcpy(person->nickname, nickname);
}

void chat_nicknames_gone(struct chat *chat,
			 const struct lined_registry_entry *entry)
{
	struct chat_person *person = chat_nicknames_find(chat, entry->owner);

	/* When a nickname changes, the new entry is added before the old entry
	 * is removed. The person stays. */
	if (person != NULL && strcmp(person->entry, entry->name) == 0)
		person_free(chat, person);
}

void chat_nicknames_set_away(struct chat *chat, uint64_t id, const char *text,
			     size_t len)
{
	struct chat_person *person = chat_nicknames_find(chat, id);

	if (person == NULL)
		return;
	chat_drop_text(chat, person->away);
	person->away = text != NULL ? chat_keep_text(chat, text, len) : NULL;
}

void chat_nicknames_free(struct chat *chat)
{
	while (chat->people != NULL)
		person_free(chat, *(struct chat_person **)chat->people);
}
