/* SPDX-License-Identifier: MIT */
/*
 * Blocks: the lines that one sender sends in one turn. A block crosses the bus
 * as one message.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/buffer.h>
#include <lined/line.h>

#include "relay/filter.h"

/* The lengths of a line in a block. */
struct relay_lengths {
	uint32_t len; /* tag and terminator included */
	uint16_t tag_len;
	uint16_t terminator_len;
};

/* A block to which lines are added. Zeroed memory is an empty block. */
struct relay_block {
	char *bytes; /* the message as it grows */
	size_t len, room;
	struct relay_lengths *lengths; /* of each line */
	uint32_t count, lengths_room;
	uint32_t ends; /* how its lines end, see block.c */
};

void relay_block_fini(struct relay_block *block);

/* Copies a line after a tag. A line without a terminator gets that of its
 * service's framing. -1/ENOMEM. */
int relay_block_add(struct relay_block *block, const char *tag, size_t tag_len,
		    const struct lined_line *line,
		    const struct lined_framing *framing);

/* The bytes of all lines so far. */
size_t relay_block_bytes(const struct relay_block *block);

/* The first line's bytes; the others follow. */
const char *relay_block_text(const struct relay_block *block);

/* Drops all lines. */
void relay_block_clear(struct relay_block *block);

/* Turns a block that is not empty into a message, which the caller owns. The
 * block is then empty. NULL/ENOMEM. */
struct lined_buffer *relay_block_seal(struct relay_block *block,
				      uint64_t sender);

/* A message that was read; it borrows the buffer. */
struct relay_message {
	struct lined_buffer *buffer;
	uint64_t sender; /* id of the client; 0: an upstream */
	uint32_t count, ends;
	size_t lengths_at; /* where the table of lengths is */
	size_t bytes_at;   /* where the first line is */
	size_t bytes;      /* of all lines */
};

/* False: the buffer is not a block. */
bool relay_message_read(struct relay_message *message,
			struct lined_buffer *buffer);

/* The lengths of a line. */
struct relay_lengths relay_message_lengths(const struct relay_message *message,
					   uint32_t line);

/* The length of a line, tag and terminator included. */
uint32_t relay_message_line_len(const struct relay_message *message,
				uint32_t line);

/*
 * The message for readers with this framing: without the lines that the filter
 * denies (NULL: none), whose number is stored in *denied, and each line ends as
 * the framing says. A byte that would end a line earlier becomes a blank. A new
 * buffer if that changes anything, otherwise another reference to the message's
 * own. The caller owns it. NULL: no line is left (errno 0), or ENOMEM.
 */
struct lined_buffer *relay_message_for(const struct relay_message *message,
				       const struct lined_framing *framing,
				       const struct relay_filter *filter,
				       uint32_t *denied);
