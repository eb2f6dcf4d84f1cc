/* SPDX-License-Identifier: MIT */
/*
 * Lines that are kept: for newcomers (history) and for the first reader (hold).
 * They are copied, so that no line keeps a whole block in memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A queue of lines. Zeroed memory is an empty one. */
struct relay_store {
	struct store_chunk *first, *last;
	size_t lines;
	size_t bytes;   /* of the lines, their tags and terminators */
	size_t memory;  /* what the store takes */
	size_t charged; /* as of relay_store_take_change() */
};

struct relay_stored {
	const char *text;
	size_t len;     /* tag and terminator included */
	size_t tag_len; /* of the tag before the line */
	size_t terminator_len;
};

/* A place between two lines. Zeroed memory is the place before the first. */
struct relay_store_place {
	const struct store_chunk *chunk;
	size_t at;
};

/* Appends a copy of a line. -1/ENOMEM. */
int relay_store_add(struct relay_store *store, const struct relay_stored *line);

/* The most memory of a line with so many bytes, and no tag. */
size_t relay_store_line_max(size_t length);

/* Drops the oldest lines; it has as many. */
void relay_store_drop(struct relay_store *store, size_t lines);

/* Fills in the line after the place, and moves on. The line is valid until the
 * store changes. False: there is none. */
bool relay_store_next(const struct relay_store *store,
		      struct relay_store_place *place,
		      struct relay_stored *line);

/* Drops the oldest lines until the store takes at most `memory` bytes. */
void relay_store_shrink(struct relay_store *store, size_t memory);

/* Drops all lines. */
void relay_store_clear(struct relay_store *store);

/* By how much its memory has changed since the last call: the caller charges
 * it. */
int64_t relay_store_take_change(struct relay_store *store);
