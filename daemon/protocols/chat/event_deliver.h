/* SPDX-License-Identifier: MIT */
/*
 * Delivers events: sends their lines to members of this worker, and applies
 * what they change.
 */
#pragma once

#include "chat/event.h"

/* The handler of chat_events_open(). */
void chat_deliver(struct chat *chat, struct chat_event *event);
