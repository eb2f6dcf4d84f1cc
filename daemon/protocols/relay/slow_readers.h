/* SPDX-License-Identifier: MIT */
/*
 * Sends lines to readers, and drops lines of a reader when its send queue is
 * full or the lines are old.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct lined_socket;
struct relay;
struct relay_client;
struct relay_message;

/* Prepares and starts the timer of max-age; relay_slow_set() applies a changed
 * option. */
void relay_slow_init(struct relay *relay);
void relay_slow_set(struct relay *relay);

/* Applies the options to a reader. */
void relay_slow_set_reader(const struct relay *relay,
			   struct lined_socket *sock);

/* Whether readers can lose lines and stay connected. */
bool relay_slow_loses_lines(const struct relay *relay);

void relay_slow_send(struct relay_client *client,
		     const struct relay_message *message);

/* Call this when the client's send queue is low. Sends the gap-notice, unless
 * the queue could drop the notice: a later call then sends it. */
void relay_slow_send_notice(struct relay_client *client);

/* Lines found no memory in the reader's queue: counts them, or closes a reader
 * that loses its connection rather than lines. */
void relay_slow_lose(struct relay_client *client, uint64_t lines);

/* Counts lines that the client's send queue has dropped. */
void relay_slow_count_dropped(struct relay_client *client);
