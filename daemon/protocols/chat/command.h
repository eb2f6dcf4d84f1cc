/* SPDX-License-Identifier: MIT */
/* Executes a line: a message to the current room, or a command. */
#pragma once

#include "chat/member.h"

/* Executes a non-empty line after lined_text_clean(). Changes text. */
void chat_command(struct chat_member *member, char *text);
