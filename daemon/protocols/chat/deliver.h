/* SPDX-License-Identifier: MIT */
/*
 * Delivery: which members of this worker get the line of an event, and what the
 * event changes.
 */
#pragma once

#include "chat/event.h"

/* The handler of chat_events_open(). */
void chat_deliver(struct chat *chat, struct chat_event *event);
