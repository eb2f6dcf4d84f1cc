/* SPDX-License-Identifier: MIT */
/*
 * Makes batches and reads them. A batch has a head, the lines as clients get
 * them, and a table of their lengths. Numbers are in network byte order,
 * because nodes may have different byte orders.
 */
#include "relay/batch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 1024

struct batch_head {
	uint32_t sender[2]; /* higher half first */
	uint32_t count, ends;
};

/* `ends`: bits for the terminators of a batch's lines. Any other terminator is
 * a single byte, the same in the whole batch, stored in the bits from
 * ENDS_BYTE. */
enum {
	ENDS_LF = 1,
	ENDS_CRLF = 2,
	ENDS_OTHER = 4,
};

#define ENDS_BYTE 8

static uint32_t batch_ends_of(const char *terminator, size_t len)
{
	if (len == 2)
		return ENDS_CRLF;
	if (terminator[0] == '\n')
		return ENDS_LF;
	return ENDS_OTHER | (uint32_t)(uint8_t)terminator[0] << ENDS_BYTE;
}

void relay_batch_fini(struct relay_batch *batch)
{
	free(batch->bytes);
	free(batch->lengths);
	memset(batch, 0, sizeof(*batch));
}

/* Makes room for a line and for the table of lengths after it. */
static int batch_reserve(struct relay_batch *batch, size_t len)
{
	size_t wanted, room = batch->room > 0 ? batch->room : ROOM_MIN;

	if (batch->len == 0)
		batch->len = sizeof(struct batch_head);
	wanted = batch->len + len +
		 (batch->count + 1) * sizeof(struct relay_lengths);
	while (room < wanted)
		room *= 2;
	if (room > batch->room) {
		char *bytes = realloc(batch->bytes, room);

		if (bytes == NULL)
			return -1;
		batch->bytes = bytes;
		batch->room = room;
	}
	if (batch->count == batch->lengths_room) {
		uint32_t more =
			batch->lengths_room > 0 ? batch->lengths_room * 2 : 64;
		struct relay_lengths *lengths =
			realloc(batch->lengths, more * sizeof(*lengths));

		if (lengths == NULL)
			return -1;
		batch->lengths = lengths;
		batch->lengths_room = more;
	}
	return 0;
}

static void batch_append(struct relay_batch *batch, const char *bytes,
			 size_t len)
{
	memcpy(batch->bytes + batch->len, bytes, len);
	batch->len += len;
}

/* Records the lengths of the line that was appended last. */
static void batch_enter_line(struct relay_batch *batch, size_t len,
			     size_t tag_len, size_t terminator_len)
{
	const char *terminator = batch->bytes + batch->len - terminator_len;

	batch->lengths[batch->count++] = (struct relay_lengths){
		(uint32_t)len, (uint16_t)tag_len, (uint16_t)terminator_len};
	batch->ends |= batch_ends_of(terminator, terminator_len);
}

int relay_batch_add(struct relay_batch *batch, const char *tag, size_t tag_len,
		    const struct lined_line *line,
		    const struct lined_framing *framing)
{
	const char *terminator = line->terminator;
	size_t terminator_len = line->terminator_len, len;

	/* A line without a terminator must not run into the next line. */
	if (terminator_len == 0)
		terminator_len = lined_framing_terminator(framing, &terminator);
	len = tag_len + line->len + terminator_len;
	if (batch_reserve(batch, len) < 0)
		return -1;
	if (tag_len > 0)
		batch_append(batch, tag, tag_len);
	batch_append(batch, line->text, line->len);
	batch_append(batch, terminator, terminator_len);
	batch_enter_line(batch, len, tag_len, terminator_len);
	return 0;
}

int relay_batch_copy(struct relay_batch *batch, const struct relay_line *line)
{
	if (batch_reserve(batch, line->len) < 0)
		return -1;
	batch_append(batch, line->text, line->len);
	batch_enter_line(batch, line->len, line->tag_len, line->terminator_len);
	return 0;
}

size_t relay_batch_bytes(const struct relay_batch *batch)
{
	return batch->count > 0 ? batch->len - sizeof(struct batch_head) : 0;
}

const char *relay_batch_text(const struct relay_batch *batch)
{
	return batch->bytes + sizeof(struct batch_head);
}

void relay_batch_clear(struct relay_batch *batch)
{
	batch->len = 0;
	batch->count = batch->ends = 0;
}

struct lined_buffer *relay_batch_seal(struct relay_batch *batch,
				      uint64_t sender)
{
	const struct batch_head head = {
		.sender = {htonl((uint32_t)(sender >> 32)),
			   htonl((uint32_t)sender)},
		.count = htonl(batch->count),
		.ends = htonl(batch->ends),
	};
	uint32_t lines = batch->count, i;
	struct lined_buffer *buffer;
	char *bytes;
	size_t len;

	memcpy(batch->bytes, &head, sizeof(head));
	for (i = 0; i < lines; i++) {
		struct relay_lengths *lengths = &batch->lengths[i];

		lengths->len = htonl(lengths->len);
		lengths->tag_len = htons(lengths->tag_len);
		lengths->terminator_len = htons(lengths->terminator_len);
	}
	batch_append(batch, (const char *)batch->lengths,
		     lines * sizeof(struct relay_lengths));
	len = batch->len;
	/* Free unused room: a slow client may keep the batch for a long time.
	 */
	bytes = realloc(batch->bytes, len);
	if (bytes == NULL)
		bytes = batch->bytes;
	batch->bytes = NULL;
	batch->room = 0;
	relay_batch_clear(batch);
	buffer = lined_buffer_wrap(bytes, len, free, bytes);
	if (buffer == NULL)
		free(bytes);
	else
		lined_buffer_set_lines(buffer, lines);
	return buffer;
}

static struct relay_lengths message_lengths(const struct relay_message *message,
					    uint32_t line)
{
	struct relay_lengths lengths;

	memcpy(&lengths,
	       lined_buffer_data(message->buffer) + message->lengths_at +
		       line * sizeof(lengths),
	       sizeof(lengths));
	lengths.len = ntohl(lengths.len);
	lengths.tag_len = ntohs(lengths.tag_len);
	lengths.terminator_len = ntohs(lengths.terminator_len);
	return lengths;
}

/* Whether the lengths add up to the bytes of the lines, and each line has a
 * terminator: a message may come from another node. */
static bool message_lengths_fit(const struct relay_message *message)
{
	uint64_t bytes = 0;
	uint32_t i;

	for (i = 0; i < message->count; i++) {
		struct relay_lengths lengths = message_lengths(message, i);

		if (lengths.terminator_len == 0 ||
		    lengths.len <
			    (uint32_t)lengths.tag_len + lengths.terminator_len)
			return false;
		bytes += lengths.len;
	}
	return bytes == message->bytes;
}

bool relay_message_read(struct relay_message *message,
			struct lined_buffer *buffer)
{
	size_t len = lined_buffer_len(buffer), table;
	struct batch_head head;

	if (len < sizeof(head))
		return false;
	memcpy(&head, lined_buffer_data(buffer), sizeof(head));
	message->count = ntohl(head.count);
	table = (size_t)message->count * sizeof(struct relay_lengths);
	if (table > len - sizeof(head))
		return false;
	message->buffer = buffer;
	message->sender =
		(uint64_t)ntohl(head.sender[0]) << 32 | ntohl(head.sender[1]);
	message->ends = ntohl(head.ends);
	message->bytes_at = sizeof(head);
	message->bytes = len - sizeof(head) - table;
	message->lengths_at = len - table;
	return message->count > 0 && message_lengths_fit(message);
}

void relay_message_line(const struct relay_message *message, uint32_t i,
			struct relay_line *line)
{
	struct relay_lengths lengths = message_lengths(message, i);
	const char *first =
		lined_buffer_data(message->buffer) + message->bytes_at;

	*line = (struct relay_line){
		.text = i > 0 ? line->text + line->len : first,
		.len = lengths.len,
		.tag_len = lengths.tag_len,
		.terminator_len = lengths.terminator_len,
	};
}

uint32_t relay_message_line_len(const struct relay_message *message,
				uint32_t line)
{
	return message_lengths(message, line).len;
}

/* ---- a message for readers ----------------------------------------------- */

/* Whether all lines end as the framing says. */
static bool message_ends_as(const struct relay_message *message,
			    const struct lined_framing *framing)
{
	const char *end;
	size_t end_len = lined_framing_terminator(framing, &end);

	return message->ends == batch_ends_of(end, end_len) ||
	       (framing->terminator == LINED_TERMINATOR_ANY &&
		(message->ends & ~(uint32_t)(ENDS_LF | ENDS_CRLF)) == 0);
}

/* Copies a line and gives the copy the terminator of another framing. */
static int message_convert_line(struct relay_batch *batch,
				const struct relay_line *line,
				const struct lined_framing *framing)
{
	size_t len = line->len - line->terminator_len, i;
	struct lined_line text = {
		.text = line->text + line->tag_len,
		.len = len - line->tag_len,
	};
	const char *last;
	char *copy;

	if (relay_batch_add(batch, line->text, line->tag_len, &text, framing) <
	    0)
		return -1;
	last = batch->bytes + batch->len - 1;
	copy = batch->bytes + batch->len - batch->lengths[batch->count - 1].len;
	for (i = 0; i < len; i++)
		if (copy[i] == *last)
			copy[i] = ' ';
	return 0;
}

struct lined_buffer *relay_message_convert(struct relay_message *message,
					   const struct lined_framing *framing,
					   const struct relay_filter *filter,
					   uint32_t *denied)
{
	bool fits = message_ends_as(message, framing);
	struct lined_buffer *buffer = NULL;
	struct relay_batch batch = {0};
	struct relay_line line;
	uint32_t i;

	*denied = 0;
	if (fits && filter == NULL)
		return lined_buffer_ref(message->buffer);
	for (i = 0; i < message->count; i++) {
		relay_message_line(message, i, &line);
		if (!relay_filter_allows(filter, line.text + line.tag_len,
					 line.len - line.tag_len -
						 line.terminator_len))
			++*denied;
		else if ((fits ? relay_batch_copy(&batch, &line)
			       : message_convert_line(&batch, &line, framing)) <
			 0)
			goto out;
	}
	errno = 0;
	if (fits && *denied == 0)
		buffer = lined_buffer_ref(message->buffer);
	else if (batch.count > 0)
		buffer = relay_batch_seal(&batch, message->sender);
	if (buffer != NULL)
		relay_message_read(message, buffer);
out:
	relay_batch_fini(&batch);
	return buffer;
}
