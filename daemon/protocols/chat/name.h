/* SPDX-License-Identifier: MIT */
/*
 * How a member gets its nickname: the guest's with which it begins, and those
 * that it asks for. Names are claimed in the registry (chat_people.h).
 */
#ifndef CHAT_NAME_H
#define CHAT_NAME_H

#include "chat/member.h"

/* Gives it the next guest number, greets it and lets it into the default
 * room; all of that later. */
void chat_name_guest(struct chat_member *member);

/* /nick */
void chat_name_ask(struct chat_member *member, const char *name);

/* The watch on names has told that a name has come. */
void chat_name_came(struct chat *chat,
		    const struct lined_registry_entry *entry);

#endif
