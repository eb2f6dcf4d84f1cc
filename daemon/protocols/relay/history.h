/* SPDX-License-Identifier: MIT */
/*
 * The last lines of a feed, for clients that join it.
 */
#ifndef RELAY_HISTORY_H
#define RELAY_HISTORY_H

#include <stddef.h>

#include <lined/buffer.h>
#include <lined/socket.h>

struct relay_history;

/* A history of the last `lines` lines (at least 1). It begins with those of
 * `before`, which may be NULL. NULL/ENOMEM. */
struct relay_history *relay_history_new(size_t lines,
					const struct relay_history *before);
void relay_history_free(struct relay_history *history);

/* Adds a line, which is part of a buffer; takes a reference. */
void relay_history_add(struct relay_history *history,
		       struct lined_buffer *buffer, size_t offset, size_t len);

/* Sends, oldest first, the newest lines that fit into max_bytes. */
void relay_history_send(const struct relay_history *history,
			struct lined_socket *client, size_t max_bytes);

#endif
