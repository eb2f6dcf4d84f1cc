/* SPDX-License-Identifier: MIT */
/*
 * Passes lines from a socket to the bus: through the filter, with a tag, into a
 * batch.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/line.h>
#include <lined/socket.h>

struct relay;

/* Adds a line to this turn's batch. `sender`: a client's id, or 0 for an
 * upstream. False: the filter has dropped the line. */
bool relay_input_line(struct relay *relay, const char *tag, size_t tag_len,
		      uint64_t sender, const struct lined_line *line);

/* Publishes the batch to the feed. In mode upstream, a client's batch goes to
 * the upstream instead. */
void relay_input_publish(struct relay *relay, uint64_t sender);

/* Whether the filter allows the line. A denied line is counted. */
bool relay_input_passes(struct relay *relay, const struct lined_line *line);

/* Reads all lines of a client that are available, and publishes them. If the
 * service takes no lines from clients, does as relay_input_discard(). */
void relay_input_read(struct relay *relay, struct lined_socket *sock);

/* Reads all lines that are available, and only counts them. Returns the status
 * that ended the loop: neither READY nor TOO_LONG. */
enum lined_line_status relay_input_discard(struct relay *relay,
					   struct lined_socket *sock);
