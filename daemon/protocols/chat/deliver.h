/* SPDX-License-Identifier: MIT */
/*
 * Delivery: which members of this worker get the line of an event, and what the
 * event changes.
 */
#ifndef CHAT_DELIVER_H
#define CHAT_DELIVER_H

#include "chat/event.h"

/* The handler of chat_events_open(). */
void chat_deliver(struct chat *chat, struct chat_event *event);

#endif
