/* SPDX-License-Identifier: MIT */
/*
 * Allocates memory that the chat keeps, and charges it to the service, for the
 * ceiling `memory` of the config.
 */
#pragma once

#include <stddef.h>

struct chat;

/* Allocates zeroed memory that is charged to the service; NULL: no memory. */
void *chat_alloc(const struct chat *chat, size_t size);
/* Frees memory; `size` as in chat_alloc(). NULL is fine. */
void chat_free(const struct chat *chat, void *memory, size_t size);

/* As chat_alloc() and chat_free(), for a copy of a text. The copy ends with a
 * NUL. */
char *chat_keep_text(const struct chat *chat, const char *text, size_t len);
void chat_drop_text(const struct chat *chat, char *text);
