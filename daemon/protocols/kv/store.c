/* SPDX-License-Identifier: MIT */
/* Finds, stores, touches and expires items. Knows no commands. */
#include "kv/store.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define CAS_SIZE sizeof(uint64_t)

static void store_flush_due(struct lined_timer *timer)
{
	lined_table_clear(
		lined_container_of(timer, struct kv_store, flush)->table);
}

void kv_store_init(struct kv_store *store, struct lined_service *service)
{
	store->service = service;
	lined_service_timer(service, &store->flush, store_flush_due);
}

bool kv_store_find(const struct kv_store *store, const struct lined_word *key,
		   struct kv_item *item)
{
	item->entry = lined_table_find(store->table, key->text, key->len);
	if (item->entry == NULL)
		return false;
	item->data = lined_buffer_data(item->entry->value) + CAS_SIZE;
	item->len = lined_buffer_len(item->entry->value) - CAS_SIZE;
	memcpy(&item->cas, lined_buffer_data(item->entry->value), CAS_SIZE);
	return true;
}

static void store_count_evicted(struct kv_store *store)
{
	uint64_t evicted = lined_table_take_evicted(store->table);

	lined_service_count(store->service, "evictions", evicted);
	store->evictions += evicted;
}

/* Puts an entry under the key; the table takes a reference to its value. */
static int store_put_entry(struct kv_store *store, const struct lined_word *key,
			   const struct lined_table_entry *entry)
{
	int rc = lined_table_put(store->table, key->text, key->len, entry);

	store_count_evicted(store);
	return rc;
}

/* Whether an item of len bytes may be stored. While memory is short, the item
 * may only take the place of at least as many bytes: those of the old item, or
 * those that a full table evicts. */
static bool store_may_put(struct kv_store *store, const struct lined_word *key,
			  size_t len)
{
	size_t bytes = lined_table_bytes(store->table);
	struct kv_item old;

	if (lined_service_may_keep(store->service, len) ||
	    bytes + len > store->memory)
		return true;
	return kv_store_find(store, key, &old) && old.len >= len;
}

/* Refuses an item and removes the old one: otherwise clients would take the old
 * item for the new one. */
static int store_refuse(struct kv_store *store, const struct lined_word *key,
			int error)
{
	lined_table_remove(store->table, key->text, key->len);
	errno = error;
	return -1;
}

int kv_store_put(struct kv_store *store, const struct lined_word *key,
		 const struct lined_word *head, const struct lined_word *tail,
		 uint64_t flags, uint64_t expires_ms)
{
	struct lined_table_entry entry = {
		.tag = flags,
		.expires_ms = expires_ms,
	};
	uint64_t cas = ++store->last_cas;
	char *data;
	int rc;

	if (!store_may_put(store, key, head->len + tail->len)) {
		lined_service_count(store->service, "items_refused", 1);
		return store_refuse(store, key, ENOSPC);
	}
	entry.value =
		lined_buffer_alloc(CAS_SIZE + head->len + tail->len, &data);
	if (entry.value == NULL)
		return store_refuse(store, key, ENOMEM);
	memcpy(data, &cas, CAS_SIZE);
	memcpy(data + CAS_SIZE, head->text, head->len);
	memcpy(data + CAS_SIZE + head->len, tail->text, tail->len);
	rc = store_put_entry(store, key, &entry);
	lined_buffer_unref(entry.value);
	return rc;
}

void kv_store_give_up(struct kv_store *store, uint64_t bytes)
{
	size_t before = lined_table_bytes(store->table);

	lined_table_set_max(store->table,
			    before > bytes ? before - (size_t)bytes : 0);
	lined_table_set_max(store->table, store->memory);
	store_count_evicted(store);
}

void kv_store_touch(struct kv_store *store, const struct lined_word *key,
		    uint64_t expires_ms, const struct kv_item *item)
{
	struct lined_table_entry entry = *item->entry;

	entry.expires_ms = expires_ms;
	store_put_entry(store, key, &entry);
}

int kv_store_flush(struct kv_store *store, int64_t seconds)
{
	lined_timer_stop(&store->flush);
	if (seconds > 0)
		return lined_timer_start(&store->flush,
					 (uint64_t)seconds * 1000, 0);
	lined_table_clear(store->table);
	return 0;
}

bool kv_store_expiry(const struct kv_store *store,
		     const struct lined_word *word, uint64_t *expires_ms)
{
	uint64_t now_ms = lined_dispatcher_now_ms(
		lined_service_dispatcher(store->service));
	int64_t seconds;

	*expires_ms = 0;
	if (!lined_word_signed(word, -KV_FAR_S, KV_FAR_S, &seconds))
		return false;
	if (seconds == 0)
		return true;
	if (seconds > KV_MONTH_S)
		seconds -= (int64_t)time(NULL);
	*expires_ms = seconds > 0 ? now_ms + (uint64_t)seconds * 1000 : 1;
	return true;
}

void kv_store_send(struct lined_socket *client, const struct kv_item *item)
{
	lined_socket_send_shared(client, item->entry->value, CAS_SIZE,
				 item->len);
}
