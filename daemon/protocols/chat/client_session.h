/* SPDX-License-Identifier: MIT */
/*
 * The session of a client: accepts the client, asks for the password, reads its
 * lines, closes it. struct chat_member is the client's state.
 */
#pragma once

#include "chat/chat.h"

/* Call these before the first client and after the last. */
void chat_sessions_init(struct chat *chat);
void chat_sessions_fini(struct chat *chat);

/* Implements struct lined_protocol.handle_accept. */
void chat_session_accept(struct lined_service *service,
			 struct lined_socket *client);

/* Tells every member with a nickname that the service is closing; returns how
 * many were told. */
size_t chat_sessions_drain(struct chat *chat);

/* parted true: tells the members that some people may not hear them. parted
 * false: tells the members that were told so, and no others, that everybody
 * hears them again. */
void chat_sessions_tell_parted(struct chat *chat, bool parted);

/* Implements struct lined_protocol.handle_task: resumes members whose request
 * another worker has not answered in time, and gives a new nickname to members
 * that lost their nickname. */
void chat_sessions_check(struct lined_service *service);
