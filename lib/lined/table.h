/* SPDX-License-Identifier: MIT */
/*
 * A table: entries under keys, in memory, each for a time, all within a bound
 * of bytes. What a protocol remembers, a cache or who was here, goes by itself
 * then, and a flood of it costs no more than the bound.
 *
 * Keys are any bytes. Under each is an entry: a shared buffer, so that it can
 * be sent as it is, a number, or both. Every call takes O(log n). Thread: the
 * dispatcher's.
 */
#ifndef LINED_TABLE_H
#define LINED_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include <lined/api.h>
#include <lined/buffer.h>
#include <lined/dispatcher.h>

LINED_BEGIN_DECLS

struct lined_table;

struct lined_table_entry {
	struct lined_buffer *value; /* may be NULL */
	uint64_t tag;               /* whatever the caller wants */
	/* When it goes, on lined_dispatcher_now_ms()'s clock; 0: never. */
	uint64_t expires_ms;
};

/* An empty table, which may take max_bytes. NULL/ENOMEM. */
LINED_API struct lined_table *
lined_table_new(struct lined_dispatcher *dispatcher, size_t max_bytes);

/* Before its dispatcher. NULL is fine. */
LINED_API void lined_table_free(struct lined_table *table);

/* Another bound; what is over it goes at once. */
LINED_API void lined_table_set_max(struct lined_table *table, size_t max_bytes);

/*
 * Puts a copy of an entry under a key, in place of what was there; it may be
 * one that was found here. A reference to its value is taken. For its room
 * others go: first what was neither put nor found for longest. -1 with errno,
 * and then there is nothing under the key: ENOBUFS (the bound is less than this
 * alone takes), ENOMEM.
 */
LINED_API int lined_table_put(struct lined_table *table, const void *key,
			      size_t key_len,
			      const struct lined_table_entry *entry);

/* The entry under a key, borrowed until the next call on the table or until the
 * handler returns. NULL: there is none. */
LINED_API const struct lined_table_entry *
lined_table_find(struct lined_table *table, const void *key, size_t key_len);

/* Removes an entry. -1/ENOENT: there is none. */
LINED_API int lined_table_remove(struct lined_table *table, const void *key,
				 size_t key_len);

/* Removes all entries; they do not count as evicted. */
LINED_API void lined_table_clear(struct lined_table *table);

/* How many entries there are, and what they take of max_bytes. */
LINED_API size_t lined_table_len(const struct lined_table *table);
LINED_API size_t lined_table_bytes(const struct lined_table *table);

/* How many went for others' room since last asked. */
LINED_API uint64_t lined_table_take_evicted(struct lined_table *table);

LINED_END_DECLS

#endif
