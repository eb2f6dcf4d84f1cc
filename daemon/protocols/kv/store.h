/* SPDX-License-Identifier: MIT */
/*
 * The items of a cache, in the table of its instance. The tag of an entry holds
 * the item's flags; its buffer begins with the cas unique, which each store
 * changes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lined/service.h>
#include <lined/table.h>
#include <lined/word.h>

/* Numbers of seconds above a month are UNIX times; none may be above FAR_S. */
#define KV_MONTH_S ((int64_t)60 * 60 * 24 * 30)
#define KV_FAR_S   (KV_MONTH_S * 12 * 10000)

struct kv_store {
	struct lined_service *service;
	struct lined_table *table;
	size_t memory;            /* the most bytes of the table */
	struct lined_timer flush; /* of kv_store_flush() with a delay */
	uint64_t last_cas, evictions;
};

/* An item that was found. Valid as long as the entry of the table. */
struct kv_item {
	const struct lined_table_entry *entry;
	const char *data;
	size_t len;
	uint64_t cas;
};

/* In zeroed memory. */
void kv_store_init(struct kv_store *store, struct lined_service *service);
void kv_store_fini(struct kv_store *store);

/* False: there is no item of that key. */
bool kv_store_find(const struct kv_store *store, const struct lined_word *key,
		   struct kv_item *item);

/* Stores head followed by tail, with a cas unique of its own. -1 with errno,
 * and then the key has no item: ENOSPC (the daemon's `memory`, counted), or as
 * lined_table_put(). */
int kv_store_put(struct kv_store *store, const struct lined_word *key,
		 const struct lined_word *head, const struct lined_word *tail,
		 uint64_t flags, uint64_t expires_ms);

/* Evicts the items that were unused longest, about `bytes` in all. */
void kv_store_give_up(struct kv_store *store, uint64_t bytes);

/* Changes when an item expires; its cas unique stays. */
void kv_store_touch(struct kv_store *store, const struct lined_word *key,
		    uint64_t expires_ms, const struct kv_item *item);

/* Removes all items, after `seconds` or, if 0 or less, now. -1: no memory. */
int kv_store_flush(struct kv_store *store, int64_t seconds);

/* Reads when an entry expires. 0: never; up to a month: after so many seconds;
 * more: at that UNIX time. False: the word is no such number. */
bool kv_store_expiry(const struct kv_store *store,
		     const struct lined_word *word, uint64_t *expires_ms);

/* Sends the data of an item, without a copy. */
void kv_store_send(struct lined_socket *client, const struct kv_item *item);
