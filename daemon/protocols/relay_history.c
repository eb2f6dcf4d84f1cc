/* SPDX-License-Identifier: MIT */
/*
 * The last lines that a worker has delivered, for newcomers: a ring of parts
 * of the buffers they came in.
 */
#include "relay.h"

#include <stdlib.h>

struct part {
	struct lined_buffer *buffer;
	size_t offset, len;
};

struct relay_history {
	size_t room, count, first;
	struct part parts[];
};

struct relay_history *relay_history_new(size_t lines)
{
	struct relay_history *history;

	history = calloc(1, sizeof(*history) + lines * sizeof(struct part));
	if (history != NULL)
		history->room = lines;
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
			struct lined_socket *client)
{
	size_t i;

	for (i = 0; i < history->count; i++) {
		const struct part *part =
			&history->parts[(history->first + i) % history->room];

		lined_socket_send_shared(client, part->buffer, part->offset,
					 part->len);
	}
}
