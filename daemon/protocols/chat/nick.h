/* SPDX-License-Identifier: MIT */
/*
 * Gives a member its nickname: first a guest's, later those that it asks for.
 * Nicknames are claimed in the registry; people.h describes the entries.
 */
#ifndef CHAT_NICK_H
#define CHAT_NICK_H

#include "chat/member.h"

/* Claims the next guest number. Then the member gets the greeting and joins the
 * default room. */
void chat_nick_guest(struct chat_member *member);

/* /nick */
void chat_nick_change(struct chat_member *member, const char *name);

/* Notes the entry of a nickname that was added to the registry. */
void chat_nick_came(struct chat *chat,
		    const struct lined_registry_entry *entry);

#endif
