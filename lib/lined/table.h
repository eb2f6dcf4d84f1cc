/* SPDX-License-Identifier: MIT */
/*
 * A table of keys and entries in memory, for a cache or for data that a
 * protocol keeps about its clients. Entries expire, and the table never takes
 * more bytes than its bound.
 *
 * A key is any bytes. An entry is a number, a shared buffer that can be sent,
 * or both. To put, find or remove an entry takes O(log n). Thread: the
 * dispatcher's.
 */
#ifndef LINED_TABLE_H
#define LINED_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/api.h>
#include <lined/buffer.h>
#include <lined/dispatcher.h>

LINED_BEGIN_DECLS

struct lined_table;

struct lined_table_entry {
	struct lined_buffer *value; /* may be NULL */
	uint64_t tag;               /* the caller's */
	/* The time at which the entry is removed, by lined_dispatcher_now_ms();
	 * 0: never. */
	uint64_t expires_ms;
};

/* Makes a table whose entries may take max_bytes. The caller frees it.
 * NULL/ENOMEM. */
LINED_API struct lined_table *
lined_table_new(struct lined_dispatcher *dispatcher, size_t max_bytes);

/* Frees a table; call it before the dispatcher is freed. NULL is allowed. */
LINED_API void lined_table_free(struct lined_table *table);

/* Changes the bound. If the entries exceed it, some are evicted at once. */
LINED_API void lined_table_set_max(struct lined_table *table, size_t max_bytes);

/*
 * Puts a copy of an entry under a key, in place of an older one. The entry may
 * be the result of lined_table_find(). The table takes a reference to its
 * value. If there is no room, the least recently used entries are evicted. -1
 * with errno, and then the key has no entry: ENOBUFS (this entry alone is over
 * the bound), ENOMEM.
 */
LINED_API int lined_table_put(struct lined_table *table, const void *key,
			      size_t key_len,
			      const struct lined_table_entry *entry);

/* Finds the entry under a key; it is borrowed until the next call on the table
 * or until the handler returns. NULL: there is none. */
LINED_API const struct lined_table_entry *
lined_table_find(struct lined_table *table, const void *key, size_t key_len);

/* Removes an entry. -1/ENOENT: there is none. */
LINED_API int lined_table_remove(struct lined_table *table, const void *key,
				 size_t key_len);

/* A place in a table, for lined_table_next(). Zeroed: before the first entry.
 */
struct lined_table_cursor {
	const void *key;
	size_t key_len;
	const struct lined_table_entry *entry;
	void *next; /* private */
};

/*
 * Goes to the next entry; the first is the least recently used one. True: the
 * cursor has the entry and its key, borrowed as above. False: there is no other
 * entry. The entry at the cursor may be removed; any other change of the table,
 * including a find, makes the cursor invalid.
 *
 *	struct lined_table_cursor at = {0};
 *
 *	while (lined_table_next(table, &at))
 *		...
 */
LINED_API bool lined_table_next(struct lined_table *table,
				struct lined_table_cursor *cursor);

/* Removes all entries; they do not count as evicted. */
LINED_API void lined_table_clear(struct lined_table *table);

/* The number of entries, and how many of the max_bytes they take. */
LINED_API size_t lined_table_len(const struct lined_table *table);
LINED_API size_t lined_table_bytes(const struct lined_table *table);

/* Returns how many entries were evicted since the last call. */
LINED_API uint64_t lined_table_take_evicted(struct lined_table *table);

LINED_END_DECLS

#endif
