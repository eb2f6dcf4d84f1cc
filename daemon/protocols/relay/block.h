/* SPDX-License-Identifier: MIT */
/*
 * Blocks: the lines that one sender sends in one turn. A block crosses the bus
 * as one message.
 */
#ifndef RELAY_BLOCK_H
#define RELAY_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/buffer.h>
#include <lined/line.h>

/* A block to which lines are added. Zeroed memory is an empty block. */
struct relay_block {
	char *bytes; /* the message as it grows */
	size_t len, room;
	uint32_t *lens; /* of each line, its tag included */
	uint32_t count, lens_room;
	uint32_t tag_len; /* of each line's tag */
	uint32_t ends;    /* how its lines end, see block.c */
};

void relay_block_fini(struct relay_block *block);

/* Copies a line after a tag. The tags of all lines of a block have the same
 * length. A line without a terminator gets that of its service's framing.
 * -1/ENOMEM. */
int relay_block_add(struct relay_block *block, const char *tag, size_t tag_len,
		    const struct lined_line *line,
		    const struct lined_framing *framing);

/* The bytes of all lines so far. */
size_t relay_block_bytes(const struct relay_block *block);

/* Turns a block that is not empty into a message to everybody, which the caller
 * owns. The block is then empty. NULL/ENOMEM. */
struct lined_buffer *relay_block_seal(struct relay_block *block,
				      uint64_t sender);

/* A message that was read; it borrows the buffer. */
struct relay_message {
	struct lined_buffer *buffer;
	uint64_t sender; /* id of the client; 0: an upstream */
	uint64_t to;     /* 0: everybody; else an instance, see hold.h */
	uint32_t count, tag_len, ends;
	size_t lens_at;  /* where the table of lengths is */
	size_t bytes_at; /* where the first line is */
	size_t bytes;    /* of all lines */
};

/* False: the buffer is not a block. */
bool relay_message_read(struct relay_message *message,
			struct lined_buffer *buffer);

/* The length of a line, tag and terminator included. */
uint32_t relay_message_line_len(const struct relay_message *message,
				uint32_t line);

/* The same without its terminator. */
uint32_t relay_message_text_len(const struct relay_message *message,
				uint32_t line);

/*
 * The message for readers with this framing: each of its lines ends as the
 * framing says, and a byte that would end a line earlier becomes a blank. A
 * copy if that changes anything, otherwise another reference to the message's
 * buffer. The caller owns it. NULL/ENOMEM.
 */
struct lined_buffer *relay_message_end_as(const struct relay_message *message,
					  const struct lined_framing *framing);

/* A copy from line `first` on, addressed to `to`. The caller owns it.
 * NULL/ENOMEM. */
struct lined_buffer *relay_message_rest(const struct relay_message *message,
					uint32_t first, uint64_t to);

#endif
