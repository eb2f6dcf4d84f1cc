/* SPDX-License-Identifier: MIT */
/*
 * Charges allocated memory to the service. These functions do not ask whether
 * the ceiling has room.
 */
#include "chat/charged_memory.h"

#include <stdlib.h>
#include <string.h>

#include "chat/chat.h"

/* Bytes that malloc() and a tree's node add to an allocation. */
#define ALLOC_COST 64

void *chat_alloc(const struct chat *chat, size_t size)
{
	void *memory = calloc(1, size);

	if (memory != NULL)
		lined_service_charge(chat->service, (int64_t)size + ALLOC_COST);
	return memory;
}

void chat_free(const struct chat *chat, void *memory, size_t size)
{
	if (memory == NULL)
		return;
	lined_service_charge(chat->service, -((int64_t)size + ALLOC_COST));
	free(memory);
}

char *chat_keep_text(const struct chat *chat, const char *text, size_t len)
{
	size_t size = strnlen(text, len) + 1;
	char *copy = chat_alloc(chat, size);

	if (copy != NULL)
		memcpy(copy, text, size - 1);
	return copy;
}

void chat_drop_text(const struct chat *chat, char *text)
{
	if (text != NULL)
		chat_free(chat, text, strlen(text) + 1);
}
