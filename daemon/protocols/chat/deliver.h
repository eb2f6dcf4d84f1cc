/* SPDX-License-Identifier: MIT */
/*
 * What an event means on this worker: who of its members gets the line, and
 * what changes.
 */
#ifndef CHAT_DELIVER_H
#define CHAT_DELIVER_H

#include "chat/event.h"

void chat_deliver(struct chat *chat, const struct chat_event *event);

#endif
