/* SPDX-License-Identifier: MIT */
/*
 * Blocks: the lines that one sender sent in one turn, as one message of the
 * bus. A head, the table of line lengths, then the lines as they go to the
 * clients, one behind the other.
 */
#include "relay.h"

#include <stdlib.h>
#include <string.h>

struct head {
	uint64_t sender;
	uint32_t count, tag_len;
};

void relay_block_fini(struct relay_block *block)
{
	free(block->bytes);
	free(block->lens);
	memset(block, 0, sizeof(*block));
}

static int reserve(struct relay_block *block, size_t more)
{
	size_t room = block->room > 0 ? block->room : 4096;

	while (room < block->len + more)
		room *= 2;
	if (room > block->room) {
		char *bytes = realloc(block->bytes, room);

		if (bytes == NULL)
			return -1;
		block->bytes = bytes;
		block->room = room;
	}
	if (block->count == block->lens_room) {
		uint32_t lens_room =
			block->lens_room > 0 ? block->lens_room * 2 : 64;
		uint32_t *lens =
			realloc(block->lens, lens_room * sizeof(*lens));

		if (lens == NULL)
			return -1;
		block->lens = lens;
		block->lens_room = lens_room;
	}
	return 0;
}

static void append(struct relay_block *block, const char *bytes, size_t len)
{
	memcpy(block->bytes + block->len, bytes, len);
	block->len += len;
}

int relay_block_add(struct relay_block *block, const char *tag, size_t tag_len,
		    const struct lined_line *line)
{
	/* What ended without a terminator must not run into the next line. */
	const char *terminator =
		line->terminator_len > 0 ? line->terminator : "\n";
	size_t terminator_len =
		line->terminator_len > 0 ? line->terminator_len : 1;
	size_t len = tag_len + line->len + terminator_len;

	if (reserve(block, len) < 0)
		return -1;
	block->tag_len = (uint32_t)tag_len;
	append(block, tag, tag_len);
	append(block, line->text, line->len);
	append(block, terminator, terminator_len);
	block->lens[block->count++] = (uint32_t)len;
	return 0;
}

struct lined_buffer *relay_block_seal(struct relay_block *block,
				      uint64_t sender)
{
	struct head head = { sender, block->count, block->tag_len };
	size_t table = block->count * sizeof(uint32_t);
	struct lined_buffer *buffer;
	char *to;

	buffer = lined_buffer_alloc(sizeof(head) + table + block->len, &to);
	if (buffer != NULL) {
		memcpy(to, &head, sizeof(head));
		memcpy(to + sizeof(head), block->lens, table);
		memcpy(to + sizeof(head) + table, block->bytes, block->len);
	}
	block->len = 0;
	block->count = 0;
	return buffer;
}

bool relay_message_read(struct relay_message *message,
			struct lined_buffer *buffer)
{
	size_t len = lined_buffer_len(buffer);
	struct head head;

	if (len < sizeof(head))
		return false;
	memcpy(&head, lined_buffer_data(buffer), sizeof(head));
	message->buffer = buffer;
	message->sender = head.sender;
	message->count = head.count;
	message->tag_len = head.tag_len;
	message->lens_at = sizeof(head);
	if (head.count > (len - sizeof(head)) / sizeof(uint32_t))
		return false;
	message->bytes_at = sizeof(head) + head.count * sizeof(uint32_t);
	message->bytes = len - message->bytes_at;
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
