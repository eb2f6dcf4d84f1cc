/* SPDX-License-Identifier: MIT */
/*
 * Gives a member its nickname: first a guest's nickname, later a nickname that
 * the member asks for. Nicknames are claimed in the registry; nicknames.h
 * describes the entries.
 */
#pragma once

#include "chat/member.h"

/* Claims the next guest number. Then the member gets the greeting and joins the
 * default room. */
void chat_nick_guest(struct chat_member *member);

/* Call this when two nodes have connected again and another node's client keeps
 * this entry. If the entry is that of the member's nickname, the member becomes
 * a guest again. */
void chat_nick_taken(struct chat_member *member, const char *entry);
/* Claims a guest's nickname for a member that has lost its nickname, unless the
 * member still waits for another answer. */
void chat_nick_replace(struct chat_member *member);

/* Call this when the entry of a nickname was added to the registry: keeps the
 * highest guest number. */
void chat_nick_came(struct chat *chat,
		    const struct lined_registry_entry *entry);
