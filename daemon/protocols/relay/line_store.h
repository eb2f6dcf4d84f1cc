/* SPDX-License-Identifier: MIT */
/*
 * Stores copies of lines: for new clients (history) and for the first reader
 * (hold). A stored line does not keep its whole batch in memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/batch.h"

/* A queue of lines. A zeroed struct is empty. */
struct relay_store {
	struct store_chunk *first, *last;
	size_t lines;
	size_t bytes;   /* bytes of lines with tags and terminators */
	size_t memory;  /* used by the store */
	size_t charged; /* value of memory at the last take_change */
};

/* A place between two lines. A zeroed struct is the place before the first
 * line. */
struct relay_store_place {
	const struct store_chunk *chunk;
	size_t at;
};

/* Appends a copy of a line. -1/ENOMEM. */
int relay_store_add(struct relay_store *store, const struct relay_line *line);

/* The most memory of a line of `length` bytes without a tag. */
size_t relay_store_line_max(size_t length);

/* Drops the `lines` oldest lines. The store must have at least as many. */
void relay_store_drop(struct relay_store *store, size_t lines);

/* Fills in the line after the place and moves the place after it. The line is
 * valid until the store changes. False: no more lines. */
bool relay_store_next(const struct relay_store *store,
		      struct relay_store_place *place, struct relay_line *line);

/* Drops the oldest lines until the store uses at most `memory` bytes; 0: all
 * lines. */
void relay_store_shrink(struct relay_store *store, size_t memory);

/* Returns by how much the store's memory has changed since the last call. The
 * caller must charge this change. */
int64_t relay_store_take_change(struct relay_store *store);
