/* SPDX-License-Identifier: MIT */
/*
 * Keeps entries sorted by revision, see bucket.h.
 */
#include "config.h"

#include "bucket.h"

#include <stdlib.h>
#include <string.h>

#include "world.h"

void bucket_begin(struct bucket *bucket)
{
	list_init(&bucket->entries);
	bucket->last = bucket->age_ns = 0;
}

static void bucket_remove(struct bucket_entry *entry)
{
	list_remove(&entry->link);
	free(entry);
}

void bucket_clear(struct bucket *bucket)
{
	while (!list_is_empty(&bucket->entries))
		bucket_remove(list_entry(bucket->entries.next,
					 struct bucket_entry, link));
	bucket->last = 0;
}

static void bucket_expire(struct bucket *bucket)
{
	struct bucket_entry *entry, *next;

	if (bucket->age_ns == 0)
		return;
	list_for_each_safe(entry, next, &bucket->entries, link)
		if (world_now_ns() > entry->stored_ns + bucket->age_ns) {
			trace("nats: %s has ended", entry->key);
			bucket_remove(entry);
		}
}

static struct bucket_entry *bucket_find(struct bucket *bucket, const char *key)
{
	struct bucket_entry *entry;

	bucket_expire(bucket);
	list_for_each(entry, &bucket->entries, link)
		if (strcmp(entry->key, key) == 0)
			return entry;
	return NULL;
}

static struct bucket_entry *entry_new(const char *key, const void *data,
				      size_t len)
{
	size_t key_size = strlen(key) + 1;
	struct bucket_entry *entry = malloc(sizeof(*entry) + key_size + len);
	char *at = (char *)(entry + 1);

	must(entry != NULL);
	entry->stored_ns = world_now_ns();
	entry->len = len;
	entry->key = memcpy(at, key, key_size);
	entry->data = at + key_size;
	if (len > 0)
		memcpy(at + key_size, data, len);
	return entry;
}

uint64_t bucket_write(struct bucket *bucket, const char *key, uint64_t expected,
		      bool erased, const void *data, size_t len,
		      uint64_t *found)
{
	struct bucket_entry *entry = bucket_find(bucket, key);

	*found = entry != NULL ? entry->revision : 0;
	if (*found != expected)
		return 0;
	if (entry != NULL)
		bucket_remove(entry);
	entry = entry_new(key, data, len);
	entry->erased = erased;
	entry->revision = ++bucket->last;
	list_append(&bucket->entries, &entry->link);
	return entry->revision;
}

void bucket_purge(struct bucket *bucket, const char *key, uint64_t revision)
{
	struct bucket_entry *entry = bucket_find(bucket, key);

	if (entry != NULL && entry->revision <= revision)
		bucket_remove(entry);
}

const struct bucket_entry *bucket_next(struct bucket *bucket, uint64_t revision)
{
	const struct bucket_entry *entry;

	bucket_expire(bucket);
	list_for_each(entry, &bucket->entries, link)
		if (entry->revision > revision)
			return entry;
	return NULL;
}
