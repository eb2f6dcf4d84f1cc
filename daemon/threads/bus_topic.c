/* SPDX-License-Identifier: MIT */
/*
 * The hash table of topics. The table grows with the number of topics, to keep
 * its buckets short.
 */
#include "config.h"

#include "threads/bus_topic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lined/bus.h>

#define TOPIC_BUCKETS_MIN 64

int bus_topics_init(struct bus_topics *topics, uint64_t seed)
{
	topics->buckets = calloc(TOPIC_BUCKETS_MIN, sizeof(struct bus_topic *));
	if (topics->buckets == NULL)
		return -1;
	topics->bucket_count = TOPIC_BUCKETS_MIN;
	topics->count = 0;
	topics->seed = seed;
	return 0;
}

void bus_topics_fini(struct bus_topics *topics)
{
	free(topics->buckets);
}

/* FNV-1a, folded to 32 bits. */
static uint32_t bus_topic_hash(const struct bus_topics *topics, uint64_t scope,
			       const char *text, size_t len)
{
	uint64_t hash = (14695981039346656037u ^ topics->seed) + scope;
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
	return (uint32_t)(hash ^ hash >> 32);
}

int bus_topic_name(const struct bus_topics *topics, struct bus_topic_name *name,
		   uint64_t scope, const char *text)
{
	size_t len = strnlen(text, LINED_TOPIC_MAX + 1);

	if (len > LINED_TOPIC_MAX) {
		errno = EINVAL;
		return -1;
	}
	name->scope = scope;
	name->hash = bus_topic_hash(topics, scope, text, len);
	name->len = (uint32_t)len;
	name->text = text;
	return 0;
}

static struct bus_topic **bus_topic_bucket(const struct bus_topics *topics,
					   uint32_t hash)
{
	return &topics->buckets[hash & (topics->bucket_count - 1)];
}

struct bus_topic *bus_topic_find(const struct bus_topics *topics,
				 const struct bus_topic_name *name)
{
	struct bus_topic *topic = *bus_topic_bucket(topics, name->hash);

	for (; topic != NULL; topic = topic->next)
		if (topic->name.hash == name->hash &&
		    topic->name.scope == name->scope &&
		    topic->name.len == name->len &&
		    memcmp(topic->text, name->text, name->len) == 0)
			return topic;
	return NULL;
}

/* Doubles the table. Without memory the table keeps its size and gets slower.
 */
static void bus_topics_grow(struct bus_topics *topics)
{
	size_t before = topics->bucket_count, i;
	struct bus_topic **old = topics->buckets;
	struct bus_topic **buckets = calloc(before * 2, sizeof(*buckets));

	if (buckets == NULL)
		return;
	topics->buckets = buckets;
	topics->bucket_count = before * 2;
	for (i = 0; i < before; i++) {
		struct bus_topic *topic, *next;

		for (topic = old[i]; topic != NULL; topic = next) {
			struct bus_topic **to =
				bus_topic_bucket(topics, topic->name.hash);

			next = topic->next;
			topic->next = *to;
			*to = topic;
		}
	}
	free(old);
}

struct bus_topic *bus_topic_get(struct bus_topics *topics,
				const struct bus_topic_name *name)
{
	struct bus_topic *topic = bus_topic_find(topics, name);
	struct bus_topic **bucket;

	if (topic != NULL)
		return topic;
	topic = malloc(sizeof(*topic) + name->len + 1);
	if (topic == NULL)
		return NULL;
	if (topics->count >= topics->bucket_count)
		bus_topics_grow(topics);
	memcpy(topic->text, name->text, name->len + 1);
	topic->name = *name;
	topic->name.text = topic->text;
	topic->queued = 0;
	list_init(&topic->subscriptions);
	bucket = bus_topic_bucket(topics, name->hash);
	topic->next = *bucket;
	*bucket = topic;
	topics->count++;
	return topic;
}

void bus_topic_free(struct bus_topics *topics, struct bus_topic *topic)
{
	struct bus_topic **at = bus_topic_bucket(topics, topic->name.hash);

	while (*at != topic)
		at = &(*at)->next;
	*at = topic->next;
	topics->count--;
	free(topic);
}
