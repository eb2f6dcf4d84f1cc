/* SPDX-License-Identifier: MIT */
/*
 * The meaning of a line: a message to the current room, or a command.
 */
#pragma once

#include "chat/member.h"

/* Executes a line that is not empty and that lined_text_clean() has cleaned.
 * Changes text. */
void chat_command(struct chat_member *member, char *text);
