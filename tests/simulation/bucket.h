/* SPDX-License-Identifier: MIT */
/*
 * A bucket of the simulated nats-server, as a key-value bucket of JetStream
 * with a history of 1: a log that keeps the last entry of each key. An entry
 * that was erased leaves a mark, which is an entry, too.
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
	struct list entries; /* by revision */
	uint64_t last;       /* revision */
	uint64_t age_ns;     /* after which entries end; 0: they do not */
};

void bucket_begin(struct bucket *bucket);
/* All is lost, and revisions begin anew. */
void bucket_clear(struct bucket *bucket);

/* Stores or erases, if the key's last revision is the expected one (0: there is
 * no such key): returns the new one. Else returns 0, and *found is the last
 * one. */
uint64_t bucket_write(struct bucket *bucket, const char *key, uint64_t expected,
		      bool erased, const void *data, size_t len,
		      uint64_t *found);
/* Removes the key's entry, if it is not newer. */
void bucket_purge(struct bucket *bucket, const char *key, uint64_t revision);

/* The entry behind this revision; NULL: none. */
const struct bucket_entry *bucket_next(struct bucket *bucket,
				       uint64_t revision);
