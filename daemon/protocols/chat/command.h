/* SPDX-License-Identifier: MIT */
/*
 * Executes a line: a message to the current room, or a command. Each group of
 * commands has a file command_*.c; their functions answer the member.
 */
#pragma once

#include <stdbool.h>

#include "chat/command_args.h"
#include "chat/member.h"

/* Executes a non-empty line after lined_text_clean(). Changes text. */
void chat_command(struct chat_member *member, char *text);

/* Sends a message to the current room; action: by /me. */
void chat_say(struct chat_member *member, const char *text, bool action);

/* /nick */
void chat_nick_change(struct chat_member *member, struct chat_args *args);

/* /msg, /topic and /away */
void chat_say_private(struct chat_member *member, struct chat_args *args);
void chat_say_topic(struct chat_member *member, struct chat_args *args);
void chat_say_away(struct chat_member *member, struct chat_args *args);

/* /who answers "* den: alice bob", /rooms "* rooms: den (2) lobby (5)". */
void chat_who(struct chat_member *member, struct chat_args *args);
void chat_who_rooms(struct chat_member *member, struct chat_args *args);
/* Sends more of chat_member.list. Call this from handle_write. */
void chat_who_continue(struct chat_member *member);

/* /oper, and the commands of operators */
void chat_operator_login(struct chat_member *member, struct chat_args *args);
void chat_operator_kick(struct chat_member *member, struct chat_args *args);
void chat_operator_ban(struct chat_member *member, struct chat_args *args);
void chat_operator_unban(struct chat_member *member, struct chat_args *args);
void chat_operator_mute(struct chat_member *member, struct chat_args *args);
void chat_operator_announce(struct chat_member *member, struct chat_args *args);
