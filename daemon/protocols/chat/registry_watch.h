/* SPDX-License-Identifier: MIT */
/*
 * Watches the registry, and passes changes of nicknames and seats to people,
 * rooms, seats and members of this worker.
 */
#pragma once

#include "chat/chat.h"

/* -1 with errno; chat_watch_close() must be called even then. */
int chat_watch_open(struct chat *chat);
void chat_watch_close(struct chat *chat);
