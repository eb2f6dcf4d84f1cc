/* SPDX-License-Identifier: MIT */
/*
 * Memory that lasts: it is charged to the service, whose ceiling the config's
 * `memory` sets.
 */
#pragma once

#include <stddef.h>

struct chat;

/* Zeroed memory that is charged to the service; NULL: there is none. */
void *chat_alloc(const struct chat *chat, size_t size);
/* `size` as it was allocated. NULL is fine. */
void chat_free(const struct chat *chat, void *memory, size_t size);

/* The same for a copy of a text, which ends with a NUL. */
char *chat_keep_text(const struct chat *chat, const char *text, size_t len);
void chat_drop_text(const struct chat *chat, char *text);
