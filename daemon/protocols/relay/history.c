/* SPDX-License-Identifier: MIT */
/*
 * Keeps the last lines that a worker has delivered, in a ring. Each entry is a
 * part of the buffer that the line arrived in.
 */
#include "relay/history.h"

#include <stdlib.h>

struct history_part {
	struct lined_buffer *buffer;
	size_t offset, len;
};

struct relay_history {
	size_t room, count, first;
	struct history_part parts[];
};

static const struct history_part *
history_part(const struct relay_history *history, size_t i)
{
	return &history->parts[(history->first + i) % history->room];
}

struct relay_history *relay_history_new(size_t lines,
					const struct relay_history *before)
{
	struct relay_history *history;
	size_t i = 0;

	history = calloc(1, sizeof(*history) +
				    lines * sizeof(struct history_part));
	if (history == NULL)
		return NULL;
	history->room = lines;
	if (before == NULL)
		return history;
	if (before->count > lines)
		i = before->count - lines;
	for (; i < before->count; i++) {
		const struct history_part *part = history_part(before, i);

		relay_history_add(history, part->buffer, part->offset,
				  part->len);
	}
	return history;
}

void relay_history_free(struct relay_history *history)
{
	size_t i;

	if (history == NULL)
		return;
	for (i = 0; i < history->room; i++)
		lined_buffer_unref(history->parts[i].buffer);
	free(history);
}

void relay_history_add(struct relay_history *history,
		       struct lined_buffer *buffer, size_t offset, size_t len)
{
	size_t at = (history->first + history->count) % history->room;
	struct history_part *part = &history->parts[at];

	lined_buffer_unref(part->buffer);
	part->buffer = lined_buffer_ref(buffer);
	part->offset = offset;
	part->len = len;
	if (history->count < history->room)
		history->count++;
	else
		history->first = (history->first + 1) % history->room;
}

void relay_history_send(const struct relay_history *history,
			struct lined_socket *client, size_t max_bytes)
{
	size_t i = history->count, bytes = 0;

	while (i > 0 && bytes + history_part(history, i - 1)->len <= max_bytes)
		bytes += history_part(history, --i)->len;
	for (; i < history->count; i++) {
		const struct history_part *part = history_part(history, i);

		lined_socket_send_shared(client, part->buffer, part->offset,
					 part->len);
	}
}
