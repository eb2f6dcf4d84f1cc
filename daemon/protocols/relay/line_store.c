/* SPDX-License-Identifier: MIT */
/*
 * Keeps lines in chunks of memory, one after the other, each preceded by its
 * lengths: a short line needs three bytes more than its text.
 */
#include "relay/line_store.h"

#include <stdlib.h>
#include <string.h>

/* A chunk fills a page, including the header of its allocation. */
#define CHUNK_ROOM (4096 - sizeof(struct store_chunk) - 16)

/* The most bytes of a length, with seven bits in each byte. */
#define LENGTH_MAX 10

struct store_chunk {
	struct store_chunk *next;
	size_t at, end, room; /* bytes[] from at to end has the lines */
	char bytes[];
};

static size_t store_write_length(char *to, size_t length)
{
	size_t n = 0;

	for (; length > 0x7f; length >>= 7)
		to[n++] = (char)(length | 0x80);
	to[n++] = (char)length;
	return n;
}

static size_t store_read_length(const char **from)
{
	size_t length = 0, byte;
	unsigned shift = 0;

	do {
		byte = (unsigned char)*(*from)++;
		length |= (byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	return length;
}

static struct store_chunk *store_grow(struct relay_store *store, size_t wanted)
{
	size_t room = wanted > CHUNK_ROOM ? wanted : CHUNK_ROOM;
	struct store_chunk *chunk = malloc(sizeof(*chunk) + room);

	if (chunk == NULL)
		return NULL;
	chunk->next = NULL;
	chunk->at = chunk->end = 0;
	chunk->room = room;
	store->memory += sizeof(*chunk) + room;
	if (store->last != NULL)
		store->last->next = chunk;
	else
		store->first = chunk;
	store->last = chunk;
	return chunk;
}

/* A line that does not fit into the last chunk leaves the end of this chunk
 * unused. The unused part is smaller than the line. */
size_t relay_store_line_max(size_t length)
{
	size_t line = sizeof(struct store_chunk) + length + 2 + 3 * LENGTH_MAX;
	size_t chunk = sizeof(struct store_chunk) + CHUNK_ROOM;

	if (line < chunk)
		line = 2 * line < chunk ? 2 * line : chunk;
	return line;
}

int relay_store_add(struct relay_store *store, const struct relay_line *line)
{
	struct store_chunk *chunk = store->last;
	char lengths[3 * LENGTH_MAX];
	size_t n = store_write_length(lengths, line->len);

	n += store_write_length(lengths + n, line->tag_len);
	n += store_write_length(lengths + n, line->terminator_len);
	if (chunk == NULL || chunk->room - chunk->end < n + line->len)
		chunk = store_grow(store, n + line->len);
	if (chunk == NULL)
		return -1;
	memcpy(chunk->bytes + chunk->end, lengths, n);
	memcpy(chunk->bytes + chunk->end + n, line->text, line->len);
	chunk->end += n + line->len;
	store->lines++;
	store->bytes += line->len;
	return 0;
}

bool relay_store_next(const struct relay_store *store,
		      struct relay_store_place *place, struct relay_line *line)
{
	const char *from;

	if (place->chunk == NULL) {
		place->chunk = store->first;
		place->at = store->first != NULL ? store->first->at : 0;
	} else if (place->at == place->chunk->end &&
		   place->chunk->next != NULL) {
		place->chunk = place->chunk->next;
		place->at = place->chunk->at;
	}
	if (place->chunk == NULL || place->at == place->chunk->end)
		return false;
	from = place->chunk->bytes + place->at;
	line->len = store_read_length(&from);
	line->tag_len = store_read_length(&from);
	line->terminator_len = store_read_length(&from);
	line->text = from;
	place->at = (size_t)(from - place->chunk->bytes) + line->len;
	return true;
}

static void store_drop_first(struct relay_store *store)
{
	struct store_chunk *chunk = store->first;
	struct relay_store_place place = {0};
	struct relay_line line;

	relay_store_next(store, &place, &line);
	chunk->at = place.at;
	store->lines--;
	store->bytes -= line.len;
	if (chunk->at < chunk->end)
		return;
	store->first = chunk->next;
	if (store->first == NULL)
		store->last = NULL;
	store->memory -= sizeof(*chunk) + chunk->room;
	free(chunk);
}

void relay_store_drop(struct relay_store *store, size_t lines)
{
	while (lines-- > 0)
		store_drop_first(store);
}

void relay_store_shrink(struct relay_store *store, size_t memory)
{
	while (store->memory > memory)
		store_drop_first(store);
}

int64_t relay_store_take_change(struct relay_store *store)
{
	int64_t change = (int64_t)store->memory - (int64_t)store->charged;

	store->charged = store->memory;
	return change;
}
