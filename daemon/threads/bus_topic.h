/* SPDX-License-Identifier: MIT */
/*
 * The topics of one end of the bus, in a hash table. Thread: the end's worker.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "list.h"

/* The name of a topic, also in messages from one end to another. */
struct bus_topic_name {
	uint64_t scope;
	uint32_t hash; /* of scope and text; the same on all ends of a bus */
	uint32_t len;
	const char *text; /* NUL-terminated */
};

/* A topic with subscriptions or queued messages. */
struct bus_topic {
	struct bus_topic *next; /* next in the bucket */
	struct list subscriptions;
	size_t queued; /* messages in the end's queue */
	struct bus_topic_name name;
	char text[];
};

struct bus_topics {
	struct bus_topic **buckets;
	size_t bucket_count, count;
	uint64_t seed;
};

/* seed: random, the same for all ends of a bus. Without a random seed a client
 * could choose names that all fall into one bucket. -1/ENOMEM. */
int bus_topics_init(struct bus_topics *topics, uint64_t seed);
/* Call this when no topic is left. */
void bus_topics_fini(struct bus_topics *topics);

/* Fills in a name; text is borrowed. -1/EINVAL: text is too long. */
int bus_topic_name(const struct bus_topics *topics, struct bus_topic_name *name,
		   uint64_t scope, const char *text);

/* NULL: no such topic. */
struct bus_topic *bus_topic_find(const struct bus_topics *topics,
				 const struct bus_topic_name *name);
/* As bus_topic_find(), but makes a missing topic. NULL/ENOMEM. */
struct bus_topic *bus_topic_get(struct bus_topics *topics,
				const struct bus_topic_name *name);
void bus_topic_free(struct bus_topics *topics, struct bus_topic *topic);
