/* SPDX-License-Identifier: MIT */
/*
 * Executes /who and /rooms. The answers are sorted by name, and may be long.
 */
#pragma once

#include "chat/command_args.h"
#include "chat/member.h"

/* Answers "* den: alice bob". */
void chat_who(struct chat_member *member, struct chat_args *args);

/* Answers "* rooms: den (2) lobby (5)". */
void chat_who_rooms(struct chat_member *member, struct chat_args *args);

/* Sends more of chat_member.list; called while handle_write is wanted. */
void chat_who_continue(struct chat_member *member);
