/* SPDX-License-Identifier: MIT */
/*
 * Operators: how a member becomes one, and what only they may do. Also the
 * service's own password, which is asked for in the same way.
 */
#ifndef CHAT_OPER_H
#define CHAT_OPER_H

#include "chat/member.h"

/* The first line of a service with a password. */
void chat_oper_password(struct chat_member *member, const char *line);

void chat_oper_login(struct chat_member *member, char *args);
void chat_oper_kick(struct chat_member *member, char *args);
void chat_oper_ban(struct chat_member *member, char *args);
void chat_oper_unban(struct chat_member *member, char *args);
void chat_oper_mute(struct chat_member *member, char *args);
void chat_oper_announce(struct chat_member *member, char *args);

#endif
