/* SPDX-License-Identifier: MIT */
/*
 * A bucket of the simulated nats-server, like a key-value bucket of JetStream
 * with a history of 1: a log that keeps the last entry of each key. An erased
 * entry is replaced by a delete marker, which is an entry, too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "list.h"

struct bucket_entry {
	struct list link;
	uint64_t revision, stored_ns;
	bool erased;
	const char *key, *data;
	size_t len;
};

struct bucket {
	struct list entries; /* sorted by revision */
	uint64_t last;       /* the latest revision */
	uint64_t age_ns;     /* entries expire after this time; 0: never */
};

void bucket_begin(struct bucket *bucket);
/* Removes all entries; revisions begin at 1 again. */
void bucket_clear(struct bucket *bucket);

/* Stores or erases an entry if the key's last revision is the expected one (0:
 * the key does not exist). Returns the new revision. Else returns 0, and *found
 * is the key's last revision. */
uint64_t bucket_write(struct bucket *bucket, const char *key, uint64_t expected,
		      bool erased, const void *data, size_t len,
		      uint64_t *found);
/* Removes the key's entry, unless it is newer than this revision. */
void bucket_purge(struct bucket *bucket, const char *key, uint64_t revision);

/* The first entry after this revision; NULL: there is none. */
const struct bucket_entry *bucket_next(struct bucket *bucket,
				       uint64_t revision);
