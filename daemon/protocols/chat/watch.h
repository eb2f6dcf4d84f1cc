/* SPDX-License-Identifier: MIT */
/*
 * The watch on the registry: what its entries say of nicknames and rooms is
 * passed on to people, rooms, seats and members of this worker.
 */
#ifndef CHAT_WATCH_H
#define CHAT_WATCH_H

#include "chat/chat.h"

/* -1 with errno; chat_watch_close() is to be called all the same. */
int chat_watch_open(struct chat *chat);
void chat_watch_close(struct chat *chat);

#endif
