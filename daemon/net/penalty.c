/* SPDX-License-Identifier: MIT */
/*
 * Keeps penalties in a hash table. The entries are also in a list by age. The
 * first penalty allocates the table. While there are no entries,
 * penalties_hold() takes no lock.
 */
#include "config.h"

#include "net/penalty.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "list.h"
#include "net/address_hash.h"

#define BUCKETS (PENALTIES_MAX / 4)

/* After its end a penalty is remembered for this many times its length. */
#define REMEMBER_FACTOR 10u

struct penalty {
	struct list by_age;
	struct penalty *next; /* next in the bucket */
	uint64_t key, began_ms;
	uint32_t length_ms;
	const char *cause;
	/* The last penalized address of this key, for penalties_revise(). */
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
};

struct penalties {
	pthread_mutex_t lock;
	uint64_t seed;
	struct penalty **buckets; /* NULL before the first penalty */
	struct list by_age;       /* oldest first */
	atomic_size_t count;
};

struct penalties *penalties_new(void)
{
	struct penalties *penalties = calloc(1, sizeof(*penalties));

	if (penalties == NULL)
		return NULL;
	pthread_mutex_init(&penalties->lock, NULL);
	list_init(&penalties->by_age);
	return penalties;
}

/* ---- the table -------------------------------------------------------- */

static struct penalty **penalty_find(const struct penalties *penalties,
				     uint64_t key)
{
	struct penalty **at =
		&penalties->buckets[address_hash(key, penalties->seed) %
				    BUCKETS];

	while (*at != NULL && (*at)->key != key)
		at = &(*at)->next;
	return at;
}

static void penalty_remove(struct penalties *penalties, struct penalty *penalty)
{
	*penalty_find(penalties, penalty->key) = penalty->next;
	list_remove(&penalty->by_age);
	atomic_fetch_sub(&penalties->count, 1);
	free(penalty);
}

void penalties_free(struct penalties *penalties)
{
	struct penalty *penalty, *next;

	if (penalties == NULL)
		return;
	list_for_each_safe(penalty, next, &penalties->by_age, by_age)
		penalty_remove(penalties, penalty);
	pthread_mutex_destroy(&penalties->lock);
	free(penalties->buckets);
	free(penalties);
}

/* The age of a penalty. now_ms may be slightly earlier than began_ms, which
 * another thread may have set. */
static uint64_t penalty_age_ms(const struct penalty *penalty, uint64_t now_ms)
{
	return now_ms > penalty->began_ms ? now_ms - penalty->began_ms : 0;
}

static uint32_t penalty_left_ms(const struct penalty *penalty, uint64_t now_ms)
{
	uint64_t age_ms = penalty_age_ms(penalty, now_ms);

	return age_ms < penalty->length_ms
		       ? penalty->length_ms - (uint32_t)age_ms
		       : 0;
}

static bool penalty_is_past(const struct penalty *penalty, uint64_t now_ms)
{
	return penalty_age_ms(penalty, now_ms) >=
	       (uint64_t)penalty->length_ms * (REMEMBER_FACTOR + 1);
}

/* Removes the oldest entry again and again, as long as it need not be
 * remembered or the table is full. */
static void penalties_make_room(struct penalties *penalties, uint64_t now_ms)
{
	while (!list_is_empty(&penalties->by_age)) {
		struct penalty *oldest = list_entry(penalties->by_age.next,
						    struct penalty, by_age);

		if (!penalty_is_past(oldest, now_ms) &&
		    atomic_load(&penalties->count) < PENALTIES_MAX)
			break;
		penalty_remove(penalties, oldest);
	}
}

static bool penalties_open(struct penalties *penalties)
{
	if (penalties->buckets != NULL)
		return true;
	if (getrandom(&penalties->seed, sizeof(penalties->seed), 0) < 0)
		return false;
	penalties->buckets = calloc(BUCKETS, sizeof(struct penalty *));
	return penalties->buckets != NULL;
}

/* NULL: no memory. */
static struct penalty *penalties_find_or_add(struct penalties *penalties,
					     uint64_t key, uint64_t now_ms)
{
	struct penalty **at, *penalty;

	if (!penalties_open(penalties))
		return NULL;
	at = penalty_find(penalties, key);
	if (*at != NULL)
		return *at;
	penalties_make_room(penalties, now_ms);
	penalty = calloc(1, sizeof(*penalty));
	if (penalty == NULL)
		return NULL;
	penalty->key = key;
	at = penalty_find(penalties, key);
	penalty->next = *at;
	*at = penalty;
	list_init(&penalty->by_age);
	atomic_fetch_add(&penalties->count, 1);
	return penalty;
}

/* ---- penalties -------------------------------------------------------- */

/* Starts a penalty and returns its length; 0: a penalty is running already. For
 * a new entry, which has length 0, penalty_is_past() is true. */
static uint32_t penalty_give(struct penalty *penalty,
			     const struct penalty_limits *limits,
			     const struct sockaddr *address, uint64_t now_ms,
			     const char *cause)
{
	uint64_t length_ms = limits->first_ms;

	if (penalty_left_ms(penalty, now_ms) > 0)
		return 0;
	if (!penalty_is_past(penalty, now_ms))
		length_ms = (uint64_t)penalty->length_ms * 2;
	if (length_ms > limits->max_ms)
		length_ms = limits->max_ms;
	penalty->length_ms = (uint32_t)length_ms;
	penalty->began_ms = now_ms;
	penalty->cause = cause;
	memcpy(&penalty->address, address,
	       address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
					     : sizeof(struct sockaddr_in6));
	return penalty->length_ms;
}

static bool penalty_is_exempt(const struct penalty_limits *limits,
			      const struct sockaddr *address)
{
	return limits->first_ms == 0 ||
	       lined_network_longest(limits->exempt, limits->exempt_count,
				     address) != NULL;
}

uint32_t penalties_add(struct penalties *penalties,
		       const struct penalty_limits *limits,
		       const struct sockaddr *address, uint64_t now_ms,
		       const char *cause)
{
	struct penalty *penalty;
	uint32_t length_ms = 0;
	uint64_t key;

	if (penalty_is_exempt(limits, address) ||
	    !address_hash_key(address, &key))
		return 0;
	pthread_mutex_lock(&penalties->lock);
	penalty = penalties_find_or_add(penalties, key, now_ms);
	if (penalty != NULL)
		length_ms =
			penalty_give(penalty, limits, address, now_ms, cause);
	if (length_ms > 0) {
		list_remove(&penalty->by_age);
		list_append(&penalties->by_age, &penalty->by_age);
	}
	pthread_mutex_unlock(&penalties->lock);
	return length_ms;
}

/* Looks up an address. Called with the lock held. NULL: not found. */
static struct penalty *penalties_look_up(const struct penalties *penalties,
					 const struct sockaddr *address,
					 uint64_t now_ms,
					 struct penalty_ruling *ruling)
{
	struct penalty *penalty = NULL;
	uint64_t key;

	if (penalties->buckets != NULL && address_hash_key(address, &key))
		penalty = *penalty_find(penalties, key);
	if (penalty == NULL || penalty_is_past(penalty, now_ms))
		return NULL;
	if (ruling != NULL)
		*ruling = (struct penalty_ruling){
			.left_ms = penalty_left_ms(penalty, now_ms),
			.length_ms = penalty->length_ms,
			.cause = penalty->cause,
		};
	return penalty;
}

bool penalties_hold(struct penalties *penalties,
		    const struct penalty_limits *limits,
		    const struct sockaddr *address, uint64_t now_ms,
		    struct penalty_ruling *ruling)
{
	const struct penalty *penalty;
	bool holds;

	if (atomic_load(&penalties->count) == 0 ||
	    penalty_is_exempt(limits, address))
		return false;
	pthread_mutex_lock(&penalties->lock);
	penalty = penalties_look_up(penalties, address, now_ms, ruling);
	holds = penalty != NULL && penalty_left_ms(penalty, now_ms) > 0;
	pthread_mutex_unlock(&penalties->lock);
	return holds;
}

bool penalties_forgive(struct penalties *penalties,
		       const struct sockaddr *address, uint64_t now_ms,
		       struct penalty_ruling *ruling)
{
	struct penalty *penalty;

	pthread_mutex_lock(&penalties->lock);
	penalty = penalties_look_up(penalties, address, now_ms, ruling);
	if (penalty != NULL)
		penalty_remove(penalties, penalty);
	pthread_mutex_unlock(&penalties->lock);
	return penalty != NULL;
}

size_t penalties_count(struct penalties *penalties, uint64_t now_ms)
{
	struct penalty *penalty, *next;
	size_t running = 0;

	if (atomic_load(&penalties->count) == 0)
		return 0;
	pthread_mutex_lock(&penalties->lock);
	list_for_each_safe(penalty, next, &penalties->by_age, by_age) {
		if (penalty_is_past(penalty, now_ms))
			penalty_remove(penalties, penalty);
		else
			running += penalty_left_ms(penalty, now_ms) > 0;
	}
	pthread_mutex_unlock(&penalties->lock);
	return running;
}

void penalties_revise(struct penalties *penalties,
		      const struct penalty_limits *(*limits_of)(
			      void *arg, const struct sockaddr *address),
		      void *arg)
{
	struct penalty *penalty, *next;

	pthread_mutex_lock(&penalties->lock);
	list_for_each_safe(penalty, next, &penalties->by_age, by_age) {
		const struct penalty_limits *limits =
			limits_of(arg, &penalty->address.any);

		if (penalty_is_exempt(limits, &penalty->address.any))
			penalty_remove(penalties, penalty);
		else if (penalty->length_ms > limits->max_ms)
			penalty->length_ms = limits->max_ms;
	}
	pthread_mutex_unlock(&penalties->lock);
}
