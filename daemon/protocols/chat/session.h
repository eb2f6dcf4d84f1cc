/* SPDX-License-Identifier: MIT */
/*
 * A client's session: it is accepted, asked for the password, read line by line
 * and closed. Its state in the chat is struct chat_member.
 */
#pragma once

#include "chat/chat.h"

/* To be called before the first client, and after the last. */
void chat_sessions_init(struct chat *chat);
void chat_sessions_fini(struct chat *chat);

/* struct lined_protocol.handle_accept */
void chat_session_accept(struct lined_service *service,
			 struct lined_socket *client);

/* Tells every member that the service is closing. */
void chat_sessions_drain(struct chat *chat);

/* Tells all members, e.g. that others may not hear them. */
void chat_sessions_tell(struct chat *chat, const char *text);

/* Resumes members whose request another worker has not answered in time, and
 * gives another nickname to those that lost theirs. Called every half
 * second. */
void chat_sessions_check(struct chat *chat);
