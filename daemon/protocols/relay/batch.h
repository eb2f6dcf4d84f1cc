/* SPDX-License-Identifier: MIT */
/*
 * A batch: all or some of the lines that one sender sent in one turn. A batch
 * crosses the bus as one message.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/buffer.h>
#include <lined/line.h>

#include "relay/filter.h"

/* The lengths of a line in a batch. */
struct relay_lengths {
	uint32_t len; /* includes tag and terminator */
	uint16_t tag_len;
	uint16_t terminator_len;
};

/* A line with its tag before it and its terminator behind it. */
struct relay_line {
	const char *text;
	size_t len; /* includes tag and terminator */
	size_t tag_len;
	size_t terminator_len;
};

/* A batch to which lines are added. A zeroed struct is an empty batch. */
struct relay_batch {
	char *bytes; /* the message under construction */
	size_t len, room;
	struct relay_lengths *lengths; /* lengths of each line */
	uint32_t count, lengths_room;
	uint32_t ends; /* how the lines end, see batch.c */
};

void relay_batch_fini(struct relay_batch *batch);

/* Adds a copy of a line, with a tag before it. A line without a terminator gets
 * the terminator of framing. -1/ENOMEM. */
int relay_batch_add(struct relay_batch *batch, const char *tag, size_t tag_len,
		    const struct lined_line *line,
		    const struct lined_framing *framing);

/* Adds a copy of a line that has a terminator. -1/ENOMEM. */
int relay_batch_copy(struct relay_batch *batch, const struct relay_line *line);

/* The bytes of all lines so far. */
size_t relay_batch_bytes(const struct relay_batch *batch);

/* The bytes of the first line; the other lines follow. */
const char *relay_batch_text(const struct relay_batch *batch);

void relay_batch_clear(struct relay_batch *batch);

/* Turns a non-empty batch into a message, which the caller owns, and empties
 * the batch. NULL/ENOMEM. */
struct lined_buffer *relay_batch_seal(struct relay_batch *batch,
				      uint64_t sender);

/* A message as read from a buffer, which is borrowed. */
struct relay_message {
	struct lined_buffer *buffer;
	uint64_t sender; /* the client's id; 0: an upstream */
	uint32_t count, ends;
	size_t lengths_at; /* offset of the table of lengths */
	size_t bytes_at;   /* offset of the first line */
	size_t bytes;      /* bytes of all lines */
};

/* False: the buffer is not a batch of at least one line. */
bool relay_message_read(struct relay_message *message,
			struct lined_buffer *buffer);

/* Fills in a line, which is valid as long as the buffer. Call this for the
 * lines in order, with the same struct: each line begins where the previous
 * line ends. */
void relay_message_line(const struct relay_message *message, uint32_t i,
			struct relay_line *line);

/* The length of this line, including tag and terminator. */
uint32_t relay_message_line_len(const struct relay_message *message,
				uint32_t line);

/*
 * Converts the message for readers with this framing: each line ends as the
 * framing says, and a byte that would end a line earlier becomes a blank. Lines
 * that the filter (NULL: none) denies are left out and counted in *denied.
 * Returns the buffer of the converted message, which the caller owns: a new
 * one, or a reference to the message's own if nothing changes. NULL: no line is
 * left (errno 0), or ENOMEM; the message is unchanged.
 */
struct lined_buffer *relay_message_convert(struct relay_message *message,
					   const struct lined_framing *framing,
					   const struct relay_filter *filter,
					   uint32_t *denied);
