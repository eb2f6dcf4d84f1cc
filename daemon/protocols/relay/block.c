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
	uint32_t count, tag_len, ends;
};

/* `ends`: bits for what the lines of a block end with. The other terminators of
 * a block are all the same byte, in the bits from ENDS_BYTE on. */
enum {
	ENDS_LF = 1,
	ENDS_CRLF = 2,
	ENDS_OTHER = 4,
};

#define ENDS_BYTE 8

static uint32_t ends_of(const char *terminator, size_t len)
{
	if (len == 2)
		return ENDS_CRLF;
	if (terminator[0] == '\n')
		return ENDS_LF;
	return ENDS_OTHER | (uint32_t)(uint8_t)terminator[0] << ENDS_BYTE;
}

/* The table has the length of each line, and in the highest bits that of its
 * terminator. */
#define LEN_BITS 30
#define LEN_MASK ((UINT32_C(1) << LEN_BITS) - 1)

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
		    const struct lined_line *line,
		    const struct lined_framing *framing)
{
	const char *terminator = line->terminator;
	size_t terminator_len = line->terminator_len, len;

	/* A line without terminator must not run into the next one. */
	if (terminator_len == 0)
		terminator_len = lined_framing_terminator(framing, &terminator);
	len = tag_len + line->len + terminator_len;

	if (block_reserve(block, len) < 0)
		return -1;
	block->tag_len = (uint32_t)tag_len;
	if (tag_len > 0)
		block_append(block, tag, tag_len);
	block_append(block, line->text, line->len);
	block_append(block, terminator, terminator_len);
	block->lens[block->count++] = (uint32_t)len | (uint32_t)terminator_len
							      << LEN_BITS;
	block->ends |= ends_of(terminator, terminator_len);
	return 0;
}

size_t relay_block_bytes(const struct relay_block *block)
{
	return block->count > 0 ? block->len - sizeof(struct block_head) : 0;
}

struct lined_buffer *relay_block_seal(struct relay_block *block,
				      uint64_t sender)
{
	struct block_head head = {sender, 0, block->count, block->tag_len,
				  block->ends};
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
	block->count = block->ends = 0;
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
	message->ends = head.ends;
	message->bytes_at = sizeof(head);
	message->bytes = len - sizeof(head) - table;
	message->lens_at = len - table;
	return true;
}

static uint32_t message_entry(const struct relay_message *message,
			      uint32_t line)
{
	uint32_t entry;

	memcpy(&entry,
	       lined_buffer_data(message->buffer) + message->lens_at +
		       line * sizeof(entry),
	       sizeof(entry));
	return entry;
}

uint32_t relay_message_line_len(const struct relay_message *message,
				uint32_t line)
{
	return message_entry(message, line) & LEN_MASK;
}

uint32_t relay_message_text_len(const struct relay_message *message,
				uint32_t line)
{
	uint32_t entry = message_entry(message, line);

	return (entry & LEN_MASK) - (entry >> LEN_BITS);
}

struct lined_buffer *relay_message_rest(const struct relay_message *message,
					uint32_t first, uint64_t to)
{
	struct block_head head = {message->sender, to, message->count - first,
				  message->tag_len, message->ends};
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

/* Copies text; each `end` byte in it becomes a blank. */
static char *message_copy_text(char *to, const char *text, size_t len, char end)
{
	size_t i;

	for (i = 0; i < len; i++)
		to[i] = text[i] == end ? ' ' : text[i];
	return to + len;
}

struct lined_buffer *relay_message_end_as(const struct relay_message *message,
					  const struct lined_framing *framing)
{
	struct block_head head = {message->sender, message->to, message->count,
				  message->tag_len, 0};
	const char *from, *end;
	size_t end_len = lined_framing_terminator(framing, &end), size;
	struct lined_buffer *copy;
	uint32_t line, entry;
	char *out, *lens;

	head.ends = ends_of(end, end_len);
	if (message->ends == head.ends ||
	    (framing->terminator == LINED_TERMINATOR_ANY &&
	     (message->ends & ~(uint32_t)(ENDS_LF | ENDS_CRLF)) == 0))
		return lined_buffer_ref(message->buffer);
	for (line = 0, size = 0; line < message->count; line++)
		size += relay_message_text_len(message, line) + end_len;
	copy = lined_buffer_alloc(
		sizeof(head) + size + message->count * sizeof(entry), &out);
	if (copy == NULL)
		return NULL;
	lens = out + sizeof(head) + size;
	memcpy(out, &head, sizeof(head));
	out += sizeof(head);
	from = lined_buffer_data(message->buffer) + message->bytes_at;
	for (line = 0; line < message->count; line++) {
		uint32_t len = relay_message_text_len(message, line);

		out = message_copy_text(out, from, len, end[end_len - 1]);
		memcpy(out, end, end_len);
		out += end_len;
		entry = (uint32_t)(len + end_len) | (uint32_t)end_len
							    << LEN_BITS;
		memcpy(lens + line * sizeof(entry), &entry, sizeof(entry));
		from += relay_message_line_len(message, line);
	}
	return copy;
}
