/* SPDX-License-Identifier: MIT */
/*
 * Stores a 128-bit hash of each line: in a hash table to find it, and in a
 * ring, in order of arrival, to drop the oldest. The memory grows with the
 * lines in a window, up to RING_MAX; beyond that the oldest lines are dropped
 * early.
 */
#include "relay/dedupe.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define RING_MIN 256
#define RING_MAX (1u << 20)

struct dedupe_line {
	uint64_t a, b;
	uint64_t at_ms;
	uint32_t next; /* in its bucket: index + 1; 0: none */
};

struct relay_dedupe {
	uint64_t seed[2];
	uint32_t window_ms;
	uint32_t room, first, count; /* of the ring */
	struct dedupe_line *ring;
	uint32_t *buckets; /* `room` of them: index + 1; 0: none */
};

struct relay_dedupe *relay_dedupe_new(uint32_t window_ms)
{
	struct relay_dedupe *dedupe = calloc(1, sizeof(*dedupe));

	if (dedupe == NULL)
		return NULL;
	if (getrandom(dedupe->seed, sizeof(dedupe->seed), 0) !=
	    (ssize_t)sizeof(dedupe->seed)) {
		free(dedupe);
		return NULL;
	}
	dedupe->window_ms = window_ms;
	dedupe->room = RING_MIN;
	dedupe->ring = calloc(RING_MIN, sizeof(*dedupe->ring));
	dedupe->buckets = calloc(RING_MIN, sizeof(*dedupe->buckets));
	if (dedupe->ring != NULL && dedupe->buckets != NULL)
		return dedupe;
	relay_dedupe_free(dedupe);
	return NULL;
}

void relay_dedupe_set_window(struct relay_dedupe *dedupe, uint32_t window_ms)
{
	dedupe->window_ms = window_ms;
}

void relay_dedupe_free(struct relay_dedupe *dedupe)
{
	if (dedupe == NULL)
		return;
	free(dedupe->ring);
	free(dedupe->buckets);
	free(dedupe);
}

/* Two multiplicative hashes with random seeds, so that no client can know the
 * hash of a line. Not a cryptographic hash. */
static void dedupe_hash(const struct relay_dedupe *dedupe, const char *text,
			size_t len, struct dedupe_line *seen)
{
	uint64_t a = dedupe->seed[0] ^ len, b = dedupe->seed[1] + len;
	uint64_t word;

	while (len > 0) {
		size_t n = len < sizeof(word) ? len : sizeof(word);

		word = 0;
		memcpy(&word, text, n);
		a = (a ^ word) * 0xff51afd7ed558ccdu;
		a ^= a >> 32;
		b = (b + word) * 0xc4ceb9fe1a85ec53u;
		b ^= b >> 29;
		text += n;
		len -= n;
	}
	seen->a = a;
	seen->b = b;
}

static void dedupe_link(struct relay_dedupe *dedupe, uint32_t index)
{
	struct dedupe_line *seen = &dedupe->ring[index];
	uint32_t *bucket = &dedupe->buckets[seen->a & (dedupe->room - 1)];

	seen->next = *bucket;
	*bucket = index + 1;
}

static void dedupe_forget_oldest(struct relay_dedupe *dedupe)
{
	uint32_t index = dedupe->first;
	struct dedupe_line *seen = &dedupe->ring[index];
	uint32_t *at = &dedupe->buckets[seen->a & (dedupe->room - 1)];

	while (*at != index + 1)
		at = &dedupe->ring[*at - 1].next;
	*at = seen->next;
	dedupe->first = (dedupe->first + 1) & (dedupe->room - 1);
	dedupe->count--;
}

static bool dedupe_grow(struct relay_dedupe *dedupe)
{
	uint32_t room = dedupe->room * 2, i;
	struct dedupe_line *ring;
	uint32_t *buckets;

	if (dedupe->room >= RING_MAX)
		return false;
	ring = calloc(room, sizeof(*ring));
	buckets = calloc(room, sizeof(*buckets));
	if (ring == NULL || buckets == NULL) {
		free(ring);
		free(buckets);
		return false;
	}
	for (i = 0; i < dedupe->count; i++)
		ring[i] =
			dedupe->ring[(dedupe->first + i) & (dedupe->room - 1)];
	free(dedupe->ring);
	free(dedupe->buckets);
	dedupe->ring = ring;
	dedupe->buckets = buckets;
	dedupe->room = room;
	dedupe->first = 0;
	for (i = 0; i < dedupe->count; i++)
		dedupe_link(dedupe, i);
	return true;
}

static bool dedupe_has(const struct relay_dedupe *dedupe,
		       const struct dedupe_line *seen)
{
	uint32_t at = dedupe->buckets[seen->a & (dedupe->room - 1)];

	while (at != 0) {
		const struct dedupe_line *other = &dedupe->ring[at - 1];

		if (other->a == seen->a && other->b == seen->b)
			return true;
		at = other->next;
	}
	return false;
}

bool relay_dedupe_seen(struct relay_dedupe *dedupe, const char *text,
		       size_t len, uint64_t now_ms)
{
	struct dedupe_line seen = {.at_ms = now_ms};
	uint32_t index;

	while (dedupe->count > 0 &&
	       now_ms - dedupe->ring[dedupe->first].at_ms >= dedupe->window_ms)
		dedupe_forget_oldest(dedupe);
	dedupe_hash(dedupe, text, len, &seen);
	if (dedupe_has(dedupe, &seen))
		return true;
	if (dedupe->count == dedupe->room && !dedupe_grow(dedupe))
		dedupe_forget_oldest(dedupe);
	index = (dedupe->first + dedupe->count) & (dedupe->room - 1);
	dedupe->ring[index] = seen;
	dedupe->count++;
	dedupe_link(dedupe, index);
	return false;
}
