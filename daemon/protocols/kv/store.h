/* SPDX-License-Identifier: MIT */
/*
 * The items of a cache, in the table of the instance. An entry's tag is the
 * item's flags; its buffer begins with the cas unique, which changes with each
 * store.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/service.h>
#include <lined/table.h>
#include <lined/word.h>

/* A number of seconds above a month is a UNIX time. KV_FAR_S is the largest
 * valid number. */
#define KV_MONTH_S ((int64_t)60 * 60 * 24 * 30)
#define KV_FAR_S   (KV_MONTH_S * 12 * 10000)

struct kv_store {
	struct lined_service *service;
	struct lined_table *table;
	size_t memory;            /* the most bytes in the table */
	struct lined_timer flush; /* for kv_store_flush() with a delay */
	uint64_t last_cas, evictions;
};

/* A found item. Valid as long as the table's entry. */
struct kv_item {
	const struct lined_table_entry *entry;
	const char *data;
	size_t len;
	uint64_t cas;
};

/* The struct must be zeroed. Stop the timer `flush` at the end. */
void kv_store_init(struct kv_store *store, struct lined_service *service);

/* False: no item has this key. */
bool kv_store_find(const struct kv_store *store, const struct lined_word *key,
		   struct kv_item *item);

/* Stores head followed by tail, with a new cas unique. -1 with errno; the key
 * then has no item. ENOSPC: too little of the daemon's `memory` is left;
 * counted as items_refused. Other errors: as lined_table_put(). */
int kv_store_put(struct kv_store *store, const struct lined_word *key,
		 const struct lined_word *head, const struct lined_word *tail,
		 uint64_t flags, uint64_t expires_ms);

/* Evicts the items not used for the longest time, about `bytes` in all. */
void kv_store_give_up(struct kv_store *store, uint64_t bytes);

/* Changes when an item expires; the cas unique stays. */
void kv_store_touch(struct kv_store *store, const struct lined_word *key,
		    uint64_t expires_ms, const struct kv_item *item);

/* Removes all items after `seconds`, or at once if seconds is 0 or less. -1: no
 * memory. */
int kv_store_flush(struct kv_store *store, int64_t seconds);

/* Reads when an item expires. 0: never; below 0: it has expired already; up to
 * a month: after this many seconds; more: at this UNIX time. False: not a valid
 * number. */
bool kv_store_expiry(const struct kv_store *store,
		     const struct lined_word *word, uint64_t *expires_ms);

/* Sends an item's data without copying. */
void kv_store_send(struct lined_socket *client, const struct kv_item *item);
