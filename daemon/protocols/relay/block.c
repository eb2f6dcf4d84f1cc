/* SPDX-License-Identifier: MIT */
/*
 * The layout of a block: a head, the lines one after the other as clients get
 * them, and a table of their lengths. A line is copied only here.
 */
#include "relay/block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 1024

struct block_head {
	uint64_t sender;
	uint64_t to;
	uint32_t count, tag_len;
};

void relay_block_fini(struct relay_block *block)
{
	free(block->bytes);
	free(block->lens);
	memset(block, 0, sizeof(*block));
}

/* Makes room for a line and for the table of lengths after it. */
static int block_reserve(struct relay_block *block, size_t len)
{
	size_t wanted, room = block->room > 0 ? block->room : ROOM_MIN;

	if (block->len == 0)
		block->len = sizeof(struct block_head);
	wanted = block->len + len + (block->count + 1) * sizeof(uint32_t);
	while (room < wanted)
		room *= 2;
	if (room > block->room) {
		char *bytes = realloc(block->bytes, room);

		if (bytes == NULL)
			return -1;
		block->bytes = bytes;
		block->room = room;
	}
	if (block->count == block->lens_room) {
		uint32_t more =
			block->lens_room > 0 ? block->lens_room * 2 : 64;
		uint32_t *lens = realloc(block->lens, more * sizeof(*lens));

		if (lens == NULL)
			return -1;
		block->lens = lens;
		block->lens_room = more;
	}
	return 0;
}

static void block_append(struct relay_block *block, const char *bytes,
			 size_t len)
{
	memcpy(block->bytes + block->len, bytes, len);
	block->len += len;
}

int relay_block_add(struct relay_block *block, const char *tag, size_t tag_len,
		    const struct lined_line *line)
{
	/* A line without terminator must not run into the next one. */
	const char *terminator =
		line->terminator_len > 0 ? line->terminator : "\n";
	size_t terminator_len =
		line->terminator_len > 0 ? line->terminator_len : 1;
	size_t len = tag_len + line->len + terminator_len;

	if (block_reserve(block, len) < 0)
		return -1;
	block->tag_len = (uint32_t)tag_len;
	if (tag_len > 0)
		block_append(block, tag, tag_len);
	block_append(block, line->text, line->len);
	block_append(block, terminator, terminator_len);
	block->lens[block->count++] = (uint32_t)len;
	return 0;
}

size_t relay_block_bytes(const struct relay_block *block)
{
	return block->count > 0 ? block->len - sizeof(struct block_head) : 0;
}

struct lined_buffer *relay_block_seal(struct relay_block *block,
				      uint64_t sender)
{
	struct block_head head = {sender, 0, block->count, block->tag_len};
	struct lined_buffer *buffer;
	char *bytes;
	size_t len;

	memcpy(block->bytes, &head, sizeof(head));
	block_append(block, (const char *)block->lens,
		     block->count * sizeof(uint32_t));
	len = block->len;
	/* Histories keep blocks for a long time, so unused room is freed. */
	bytes = realloc(block->bytes, len);
	if (bytes == NULL)
		bytes = block->bytes;
	block->bytes = NULL;
	block->len = block->room = 0;
	block->count = 0;
	buffer = lined_buffer_wrap(bytes, len, free, bytes);
	if (buffer == NULL)
		free(bytes);
	return buffer;
}

bool relay_message_read(struct relay_message *message,
			struct lined_buffer *buffer)
{
	size_t len = lined_buffer_len(buffer), table;
	struct block_head head;

	if (len < sizeof(head))
		return false;
	memcpy(&head, lined_buffer_data(buffer), sizeof(head));
	table = (size_t)head.count * sizeof(uint32_t);
	if (table > len - sizeof(head))
		return false;
	message->buffer = buffer;
	message->sender = head.sender;
	message->to = head.to;
	message->count = head.count;
	message->tag_len = head.tag_len;
	message->bytes_at = sizeof(head);
	message->bytes = len - sizeof(head) - table;
	message->lens_at = len - table;
	return true;
}

uint32_t relay_message_line_len(const struct relay_message *message,
				uint32_t line)
{
	uint32_t len;

	memcpy(&len,
	       lined_buffer_data(message->buffer) + message->lens_at +
		       line * sizeof(len),
	       sizeof(len));
	return len;
}

struct lined_buffer *relay_message_rest(const struct relay_message *message,
					uint32_t first, uint64_t to)
{
	struct block_head head = {message->sender, to, message->count - first,
				  message->tag_len};
	const char *data = lined_buffer_data(message->buffer);
	size_t skipped = 0, bytes, table;
	struct lined_buffer *copy;
	char *out;
	uint32_t i;

	for (i = 0; i < first; i++)
		skipped += relay_message_line_len(message, i);
	bytes = message->bytes - skipped;
	table = head.count * sizeof(uint32_t);
	copy = lined_buffer_alloc(sizeof(head) + bytes + table, &out);
	if (copy == NULL)
		return NULL;
	memcpy(out, &head, sizeof(head));
	memcpy(out + sizeof(head), data + message->bytes_at + skipped, bytes);
	memcpy(out + sizeof(head) + bytes,
	       data + message->lens_at + first * sizeof(uint32_t), table);
	return copy;
}
