/* SPDX-License-Identifier: MIT */
/*
 * The last lines that a worker has delivered, for newcomers: a ring of parts
 * of the buffers they came in.
 */
#include "relay/relay.h"

#include <stdlib.h>

struct part {
	struct lined_buffer *buffer;
	size_t offset, len;
};

struct relay_history {
	size_t room, count, first;
	struct part parts[];
};

static const struct part *part_at(const struct relay_history *history, size_t i)
{
	return &history->parts[(history->first + i) % history->room];
}

struct relay_history *relay_history_new(size_t lines,
					const struct relay_history *before)
{
	struct relay_history *history;
	size_t i = 0;

	history = calloc(1, sizeof(*history) + lines * sizeof(struct part));
	if (history == NULL)
		return NULL;
	history->room = lines;
	if (before == NULL)
		return history;
	if (before->count > lines)
		i = before->count - lines;
	for (; i < before->count; i++) {
		const struct part *part = part_at(before, i);

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
	struct part *part = &history->parts[at];

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

	while (i > 0 && bytes + part_at(history, i - 1)->len <= max_bytes)
		bytes += part_at(history, --i)->len;
	for (; i < history->count; i++) {
		const struct part *part = part_at(history, i);

		lined_socket_send_shared(client, part->buffer, part->offset,
					 part->len);
	}
}
