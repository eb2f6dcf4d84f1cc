/* SPDX-License-Identifier: MIT */
/*
 * Sends what a member says: to its current room, to one person, or about
 * itself.
 */
#pragma once

#include <stdbool.h>

#include "chat/command_args.h"
#include "chat/member.h"

/* Sends a message to the current room; action: by /me. */
void chat_say(struct chat_member *member, const char *text, bool action);

/* Execute /msg, /topic and /away. */
void chat_say_private(struct chat_member *member, struct chat_args *args);
void chat_say_topic(struct chat_member *member, struct chat_args *args);
void chat_say_away(struct chat_member *member, struct chat_args *args);
