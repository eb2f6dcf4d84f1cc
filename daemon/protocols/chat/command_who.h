/* SPDX-License-Identifier: MIT */
/*
 * The answers to /who and /rooms, sorted by name.
 */
#pragma once

#include "chat/member.h"

/* Answers "* den: alice bob". */
void chat_who(struct chat_member *member, const char *room);

/* Answers "* rooms: den (2) lobby (5)". */
void chat_who_rooms(struct chat_member *member);

/* Sends more of chat_member.list; called while handle_write is wanted. */
void chat_who_continue(struct chat_member *member);
