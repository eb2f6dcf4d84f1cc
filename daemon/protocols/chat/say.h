/* SPDX-License-Identifier: MIT */
/*
 * Sends what a member says: to its current room, to one person, about itself.
 */
#pragma once

#include <stdbool.h>

#include "chat/args.h"
#include "chat/member.h"

/* A message to the current room; an action is a message of /me. */
void chat_say(struct chat_member *member, const char *text, bool action);

/* /msg, /topic and /away */
void chat_say_private(struct chat_member *member, struct chat_args *args);
void chat_say_topic(struct chat_member *member, struct chat_args *args);
void chat_say_away(struct chat_member *member, struct chat_args *args);
