/* SPDX-License-Identifier: MIT */
/*
 * Counts clients in a hash table. An entry is needed while its address has
 * clients or a token bucket that is not full. Entries that are not needed are
 * freed before the table grows, so that memory is free again after a flood of
 * addresses. The hash has a seed: otherwise a client could choose addresses
 * that all fall into one bucket of the table.
 */
#include "config.h"

#include "net/admission.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <lined/rate.h>

#include "net/address_hash.h"

#define BUCKETS_MIN 64

struct admission_entry {
	struct admission_entry *next;
	uint64_t key; /* an IPv6 /64, an IPv4 address, or a user */
	uint32_t clients;
	atomic_uint left; /* clients that left, still counted in `clients` */
	struct admission_entry *next_left;
	struct lined_rate connects, datagrams;
};

struct admission {
	struct admission_limits limits;
	uint64_t seed;
	atomic_uint all;     /* clients, with or without a class */
	atomic_uint clients; /* clients not counted by their class */
	atomic_uint handshakes;
	struct admission_entry **buckets;
	size_t bucket_count, entries;
	struct admission_entry local;           /* clients without an address */
	_Atomic(struct admission_entry *) left; /* entries with `left` > 0 */
	uint64_t counts[ADMISSION_VERDICTS];
};

struct admission *admission_new(const struct admission_limits *limits)
{
	struct admission *admission = calloc(1, sizeof(*admission));

	if (admission == NULL)
		return NULL;
	admission->limits = *limits;
	admission->bucket_count = BUCKETS_MIN;
	admission->buckets =
		calloc(BUCKETS_MIN, sizeof(struct admission_entry *));
	if (admission->buckets == NULL ||
	    getrandom(&admission->seed, sizeof(admission->seed), 0) !=
		    (ssize_t)sizeof(admission->seed)) {
		int error = errno;

		admission_free(admission);
		errno = error;
		return NULL;
	}
	return admission;
}

void admission_free(struct admission *admission)
{
	size_t i;

	if (admission == NULL)
		return;
	for (i = 0; admission->buckets != NULL && i < admission->bucket_count;
	     i++) {
		struct admission_entry *entry;

		while ((entry = admission->buckets[i]) != NULL) {
			admission->buckets[i] = entry->next;
			free(entry);
		}
	}
	free(admission->buckets);
	free(admission);
}

void admission_set_limits(struct admission *admission,
			  const struct admission_limits *limits)
{
	admission->limits = *limits;
}

/* ---- the table -------------------------------------------------------- */

static size_t admission_bucket(const struct admission *admission, uint64_t key)
{
	return (size_t)address_hash(key, admission->seed) &
	       (admission->bucket_count - 1);
}

static bool admission_is_idle(const struct admission_entry *entry,
			      uint64_t now_ms)
{
	return entry->clients == 0 &&
	       lined_rate_is_full(&entry->connects, now_ms) &&
	       lined_rate_is_full(&entry->datagrams, now_ms);
}

static void admission_sweep(struct admission *admission, uint64_t now_ms)
{
	size_t i;

	for (i = 0; i < admission->bucket_count; i++) {
		struct admission_entry **at = &admission->buckets[i];

		while (*at != NULL) {
			struct admission_entry *entry = *at;

			if (admission_is_idle(entry, now_ms)) {
				*at = entry->next;
				free(entry);
				admission->entries--;
			} else {
				at = &entry->next;
			}
		}
	}
}

/* Doubles the table. Without memory the table keeps its size and gets slower.
 */
static void admission_grow(struct admission *admission)
{
	size_t count = admission->bucket_count, i;
	struct admission_entry **old = admission->buckets, **buckets;

	buckets = calloc(count * 2, sizeof(struct admission_entry *));
	if (buckets == NULL)
		return;
	admission->buckets = buckets;
	admission->bucket_count = count * 2;
	for (i = 0; i < count; i++) {
		while (old[i] != NULL) {
			struct admission_entry *entry = old[i];
			size_t to = admission_bucket(admission, entry->key);

			old[i] = entry->next;
			entry->next = buckets[to];
			buckets[to] = entry;
		}
	}
	free(old);
}

static struct admission_entry *admission_find(const struct admission *admission,
					      uint64_t key)
{
	struct admission_entry *entry =
		admission->buckets[admission_bucket(admission, key)];

	while (entry != NULL && entry->key != key)
		entry = entry->next;
	return entry;
}

static struct admission_entry *
admission_find_or_add(struct admission *admission, uint64_t key,
		      uint64_t now_ms)
{
	struct admission_entry *entry = admission_find(admission, key);
	size_t to;

	if (entry != NULL)
		return entry;
	if (admission->entries >= admission->bucket_count) {
		admission_sweep(admission, now_ms);
		if (admission->entries >= admission->bucket_count / 2)
			admission_grow(admission);
	}
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return NULL;
	entry->key = key;
	to = admission_bucket(admission, key);
	entry->next = admission->buckets[to];
	admission->buckets[to] = entry;
	admission->entries++;
	return entry;
}

/* ---- verdicts --------------------------------------------------------- */

/* Takes a token. False: none is left. */
static bool admission_take(struct lined_rate *rate, uint32_t per_second,
			   uint32_t burst, uint64_t now_ms)
{
	if (lined_rate_wait_ms(rate, per_second, burst, now_ms) > 0)
		return false;
	lined_rate_take(rate, per_second, now_ms);
	return true;
}

static enum admission_verdict admission_count(struct admission *admission,
					      enum admission_verdict verdict)
{
	__atomic_fetch_add(&admission->counts[verdict], 1, __ATOMIC_RELAXED);
	return verdict;
}

/* Only the thread that raises `left` from 0 adds the entry to the list, so the
 * list has each entry once. Meanwhile the entry cannot be freed, because its
 * `clients` still count the client that has left. */
void admission_leave(struct admission *admission, struct admission_entry *entry)
{
	struct admission_entry *first;

	if (atomic_fetch_add(&entry->left, 1) > 0)
		return;
	first = atomic_load(&admission->left);
	do
		entry->next_left = first;
	while (!atomic_compare_exchange_weak(&admission->left, &first, entry));
}

/* The counter that is compared with the limit `clients` of this class. */
static atomic_uint *admission_places(const struct admission *admission,
				     const struct admission_limits *class)
{
	return class != NULL && class->own_clients != NULL
		       ? &class->own_clients->clients
		       : (atomic_uint *)(uintptr_t)&admission->clients;
}

void admission_gone(struct admission *admission,
		    const struct admission_limits *class)
{
	atomic_fetch_sub(admission_places(admission, class), 1);
	atomic_fetch_sub(&admission->all, 1);
}

void admission_move(struct admission *admission,
		    const struct admission_limits *from,
		    const struct admission_limits *to)
{
	atomic_fetch_add(admission_places(admission, to), 1);
	atomic_fetch_sub(admission_places(admission, from), 1);
}

static void admission_collect(struct admission *admission)
{
	struct admission_entry *entry, *next;

	if (atomic_load(&admission->left) == NULL)
		return;
	for (entry = atomic_exchange(&admission->left, NULL); entry != NULL;
	     entry = next) {
		/* Read next before the count becomes 0: after that another
		 * thread may add the entry to the list again. */
		next = entry->next_left;
		entry->clients -= atomic_exchange(&entry->left, 0);
	}
}

static enum admission_verdict admission_let_in(struct admission *admission,
					       atomic_uint *places,
					       struct admission_entry *found,
					       struct admission_entry **entry)
{
	found->clients++;
	atomic_fetch_add(places, 1);
	atomic_fetch_add(&admission->all, 1);
	*entry = found;
	return admission_count(admission, ADMISSION_OK);
}

enum admission_verdict admission_enter(struct admission *admission,
				       const struct admission_limits *class,
				       const struct sockaddr *address,
				       uint64_t now_ms,
				       struct admission_entry **entry)
{
	const struct admission_limits *limits =
		class != NULL ? class : &admission->limits;
	atomic_uint *places = admission_places(admission, class);
	struct admission_entry *found = &admission->local;
	uint64_t key;

	*entry = NULL;
	admission_collect(admission);
	if (limits->clients > 0 && atomic_load(places) >= limits->clients)
		return admission_count(admission, ADMISSION_CLIENTS);
	if (address_hash_key(address, &key)) {
		found = admission_find_or_add(admission, key, now_ms);
		if (found == NULL)
			return admission_count(admission, ADMISSION_MEMORY);
		if (!admission_take(&found->connects,
				    limits->connect_rate_per_address, 0,
				    now_ms))
			return admission_count(admission, ADMISSION_RATE);
		if (limits->clients_per_address > 0 &&
		    found->clients >= limits->clients_per_address)
			return admission_count(admission, ADMISSION_ADDRESS);
	}
	return admission_let_in(admission, places, found, entry);
}

enum admission_verdict admission_enter_user(struct admission *admission,
					    uid_t uid, bool privileged,
					    uint64_t now_ms,
					    struct admission_entry **entry)
{
	const struct admission_limits *limits = &admission->limits;
	uint32_t places = limits->clients;
	struct admission_entry *found;

	*entry = NULL;
	admission_collect(admission);
	found = admission_find_or_add(admission, address_hash_key_of_user(uid),
				      now_ms);
	if (found == NULL)
		return admission_count(admission, ADMISSION_MEMORY);
	if (!privileged)
		places -= limits->clients_kept;
	if (limits->clients > 0 && atomic_load(&admission->clients) >= places)
		return admission_count(admission, ADMISSION_CLIENTS);
	if (!privileged && limits->clients_per_user > 0 &&
	    found->clients >= limits->clients_per_user)
		return admission_count(admission, ADMISSION_USER);
	return admission_let_in(admission, &admission->clients, found, entry);
}

void admission_ask(const struct admission *admission,
		   const struct admission_limits *class,
		   const struct sockaddr *address, uint64_t now_ms,
		   struct admission_ruling *ruling)
{
	const struct admission_limits *limits =
		class != NULL ? class : &admission->limits;
	const struct admission_entry *entry = NULL;
	uint64_t key;
	struct lined_rate connects = {0};

	memset(ruling, 0, sizeof(*ruling));
	ruling->counted = address_hash_key(address, &key);
	if (ruling->counted)
		entry = admission_find(admission, key);
	ruling->clients =
		entry != NULL ? entry->clients - atomic_load(&entry->left) : 0;
	if (entry != NULL)
		connects = entry->connects;
	ruling->places = atomic_load(admission_places(admission, class));
	if (limits->clients > 0 && ruling->places >= limits->clients)
		ruling->verdict = ADMISSION_CLIENTS;
	else if (!ruling->counted)
		ruling->verdict = ADMISSION_OK;
	else if (lined_rate_wait_ms(&connects, limits->connect_rate_per_address,
				    0, now_ms) > 0)
		ruling->verdict = ADMISSION_RATE;
	else if (limits->clients_per_address > 0 &&
		 ruling->clients >= limits->clients_per_address)
		ruling->verdict = ADMISSION_ADDRESS;
}

static atomic_uint *
admission_handshakes_of(struct admission *admission,
			const struct admission_limits *class)
{
	return class != NULL && class->own_handshakes != NULL
		       ? &class->own_handshakes->handshakes
		       : &admission->handshakes;
}

bool admission_begin_handshake(struct admission *admission,
			       const struct admission_limits *class)
{
	atomic_uint *handshakes = admission_handshakes_of(admission, class);

	if (atomic_load(handshakes) >=
	    (class != NULL ? class->handshakes
			   : admission->limits.handshakes)) {
		admission_count(admission, ADMISSION_HANDSHAKES);
		return false;
	}
	atomic_fetch_add(handshakes, 1);
	return true;
}

void admission_end_handshake(struct admission *admission,
			     const struct admission_limits *class)
{
	atomic_fetch_sub(admission_handshakes_of(admission, class), 1);
}

void admission_move_handshake(struct admission *admission,
			      const struct admission_limits *from,
			      const struct admission_limits *to)
{
	atomic_fetch_add(admission_handshakes_of(admission, to), 1);
	atomic_fetch_sub(admission_handshakes_of(admission, from), 1);
}

uint32_t admission_handshakes(const struct admission *admission)
{
	return atomic_load(&admission->handshakes);
}

enum admission_verdict
admission_datagram_line(struct admission *admission,
			const struct admission_limits *class,
			const struct sockaddr *address, uint64_t now_ms)
{
	const struct admission_limits *limits =
		class != NULL ? class : &admission->limits;
	struct admission_entry *entry;
	uint64_t key;

	if (limits->datagram_rate == 0 || !address_hash_key(address, &key))
		return ADMISSION_OK;
	entry = admission_find_or_add(admission, key, now_ms);
	if (entry == NULL)
		return admission_count(admission, ADMISSION_MEMORY);
	if (!admission_take(&entry->datagrams, limits->datagram_rate,
			    limits->datagram_burst, now_ms))
		return admission_count(admission, ADMISSION_RATE);
	return ADMISSION_OK;
}

void admission_refuse(struct admission *admission,
		      enum admission_verdict verdict)
{
	admission_count(admission, verdict);
}

uint64_t admission_refused(const struct admission *admission,
			   enum admission_verdict verdict)
{
	return __atomic_load_n(&admission->counts[verdict], __ATOMIC_RELAXED);
}

uint64_t admission_admitted(const struct admission *admission)
{
	return admission_refused(admission, ADMISSION_OK);
}

uint32_t admission_clients(const struct admission *admission)
{
	return atomic_load(&admission->all);
}

size_t admission_entries(const struct admission *admission)
{
	return admission->entries;
}

const char *admission_verdict_text(enum admission_verdict verdict)
{
	static const char *const texts[ADMISSION_VERDICTS] = {
		[ADMISSION_OK] = "admitted",
		[ADMISSION_CLIENTS] = "clients",
		[ADMISSION_ADDRESS] = "clients-per-address",
		[ADMISSION_USER] = "clients-per-user",
		[ADMISSION_RATE] = "connect-rate-per-address",
		[ADMISSION_HANDSHAKES] = "handshakes",
		[ADMISSION_MEMORY] = "memory",
		[ADMISSION_DENIED] = "access",
		[ADMISSION_PENALTY] = "penalty",
		[ADMISSION_PROXY] = "proxy",
		[ADMISSION_ORIGIN] = "origin",
		[ADMISSION_PROGRAMS] = "programs",
	};

	return texts[verdict];
}
