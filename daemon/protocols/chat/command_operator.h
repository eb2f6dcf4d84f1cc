/* SPDX-License-Identifier: MIT */
/* Operators: how a member becomes one, and the commands reserved for them. */
#pragma once

#include "chat/command_args.h"
#include "chat/member.h"

void chat_operator_login(struct chat_member *member, struct chat_args *args);
void chat_operator_kick(struct chat_member *member, struct chat_args *args);
void chat_operator_ban(struct chat_member *member, struct chat_args *args);
void chat_operator_unban(struct chat_member *member, struct chat_args *args);
void chat_operator_mute(struct chat_member *member, struct chat_args *args);
void chat_operator_announce(struct chat_member *member, struct chat_args *args);
