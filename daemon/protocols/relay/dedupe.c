/* SPDX-License-Identifier: MIT */
/*
 * Stores a digest of each line: in a hash table for lookups, and in a ring, in
 * order of arrival, to drop the oldest. The memory grows with the lines in a
 * window, up to RING_MAX lines; beyond that the oldest are dropped early.
 */
#include "relay/dedupe.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define RING_MIN 256
#define RING_MAX (1u << 20)

struct dedupe_line {
	struct relay_digest digest;
	uint64_t at_ms;
	uint32_t next; /* next in the bucket: index + 1; 0: none */
};

struct relay_dedupe {
	uint64_t key[2];
	uint32_t window_ms;
	uint32_t room, first, count; /* size and use of the ring */
	uint32_t evicted;            /* see relay_dedupe_take_evicted() */
	struct dedupe_line *ring;
	uint32_t *buckets; /* `room` buckets: index + 1; 0: none */
};

/* Gives the dedupe a ring and buckets for `room` lines. -1/ENOMEM: nothing has
 * changed. */
static int dedupe_set_room(struct relay_dedupe *dedupe, uint32_t room)
{
	struct dedupe_line *ring = calloc(room, sizeof(*ring));
	uint32_t *buckets = calloc(room, sizeof(*buckets));

	if (ring == NULL || buckets == NULL) {
		free(ring);
		free(buckets);
		return -1;
	}
	dedupe->ring = ring;
	dedupe->buckets = buckets;
	dedupe->room = room;
	return 0;
}

struct relay_dedupe *relay_dedupe_new(uint32_t window_ms)
{
	struct relay_dedupe *dedupe = calloc(1, sizeof(*dedupe));

	if (dedupe == NULL)
		return NULL;
	dedupe->window_ms = window_ms;
	if (getrandom(dedupe->key, sizeof(dedupe->key), 0) ==
		    (ssize_t)sizeof(dedupe->key) &&
	    dedupe_set_room(dedupe, RING_MIN) == 0)
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

/* ---- SipHash-2-4 with 128 bits ------------------------------------------ */

static uint64_t sip_rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], unsigned count)
{
	while (count-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = sip_rotate(v[1], 13) ^ v[0];
		v[3] = sip_rotate(v[3], 16) ^ v[2];
		v[0] = sip_rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = sip_rotate(v[1], 17) ^ v[2];
		v[3] = sip_rotate(v[3], 21) ^ v[0];
		v[2] = sip_rotate(v[2], 32);
	}
}

struct relay_digest relay_dedupe_digest(const struct relay_dedupe *dedupe,
					const char *text, size_t len)
{
	uint64_t k0 = dedupe->key[0], k1 = dedupe->key[1], word;
	uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f83u,
			 k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
	struct relay_digest digest;
	size_t left = len;

	for (; left >= sizeof(word); left -= sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		text += sizeof(word);
		v[3] ^= word;
		sip_rounds(v, 2);
		v[0] ^= word;
	}
	word = 0;
	if (left > 0)
		memcpy(&word, text, left);
	word ^= (uint64_t)len << 56;
	v[3] ^= word;
	sip_rounds(v, 2);
	v[0] ^= word;
	v[2] ^= 0xee;
	sip_rounds(v, 4);
	digest.a = v[0] ^ v[1] ^ v[2] ^ v[3];
	v[1] ^= 0xdd;
	sip_rounds(v, 4);
	digest.b = v[0] ^ v[1] ^ v[2] ^ v[3];
	return digest;
}

/* ---- the table ---------------------------------------------------------- */

static void dedupe_link(struct relay_dedupe *dedupe, uint32_t index)
{
	struct dedupe_line *seen = &dedupe->ring[index];
	uint32_t *bucket =
		&dedupe->buckets[seen->digest.a & (dedupe->room - 1)];

	seen->next = *bucket;
	*bucket = index + 1;
}

static void dedupe_forget_oldest(struct relay_dedupe *dedupe)
{
	uint32_t index = dedupe->first;
	struct dedupe_line *seen = &dedupe->ring[index];
	uint32_t *at = &dedupe->buckets[seen->digest.a & (dedupe->room - 1)];

	while (*at != index + 1)
		at = &dedupe->ring[*at - 1].next;
	*at = seen->next;
	dedupe->first = (dedupe->first + 1) & (dedupe->room - 1);
	dedupe->count--;
}

/* Forgets the oldest line, which is still within its window, and counts the
 * loss. */
static void dedupe_evict_oldest(struct relay_dedupe *dedupe)
{
	dedupe_forget_oldest(dedupe);
	dedupe->evicted++;
}

static bool dedupe_grow(struct relay_dedupe *dedupe)
{
	struct relay_dedupe old = *dedupe;
	uint32_t i;

	if (old.room >= RING_MAX || dedupe_set_room(dedupe, old.room * 2) < 0)
		return false;
	dedupe->first = 0;
	for (i = 0; i < old.count; i++) {
		dedupe->ring[i] = old.ring[(old.first + i) & (old.room - 1)];
		dedupe_link(dedupe, i);
	}
	free(old.ring);
	free(old.buckets);
	return true;
}

/* Finds the line remembered last with this digest; NULL: none. */
static const struct dedupe_line *dedupe_find(const struct relay_dedupe *dedupe,
					     const struct relay_digest *digest)
{
	uint32_t at = dedupe->buckets[digest->a & (dedupe->room - 1)];

	while (at != 0) {
		const struct dedupe_line *line = &dedupe->ring[at - 1];

		if (line->digest.a == digest->a && line->digest.b == digest->b)
			return line;
		at = line->next;
	}
	return NULL;
}

/* Does not subtract: now_ms may be below at_ms, because workers read the clock
 * at different times. */
static bool dedupe_is_within(uint64_t at_ms, uint32_t window_ms,
			     uint64_t now_ms)
{
	return now_ms < at_ms + window_ms;
}

static void dedupe_forget_expired(struct relay_dedupe *dedupe, uint64_t now_ms)
{
	while (dedupe->count > 0 &&
	       !dedupe_is_within(dedupe->ring[dedupe->first].at_ms,
				 dedupe->window_ms, now_ms))
		dedupe_forget_oldest(dedupe);
}

bool relay_dedupe_seen(struct relay_dedupe *dedupe,
		       const struct relay_digest *digest, uint32_t window_ms,
		       uint64_t now_ms, bool may_grow)
{
	const struct dedupe_line *line;
	uint32_t index;

	dedupe_forget_expired(dedupe, now_ms);
	line = dedupe_find(dedupe, digest);
	if (line != NULL && dedupe_is_within(line->at_ms, window_ms, now_ms))
		return true;
	if (dedupe->count == dedupe->room && !(may_grow && dedupe_grow(dedupe)))
		dedupe_evict_oldest(dedupe);
	index = (dedupe->first + dedupe->count) & (dedupe->room - 1);
	dedupe->ring[index] = (struct dedupe_line){*digest, now_ms, 0};
	dedupe->count++;
	dedupe_link(dedupe, index);
	return false;
}

/* ---- memory -------------------------------------------------------------- */

static size_t dedupe_memory_of(size_t room)
{
	return room * (sizeof(struct dedupe_line) + sizeof(uint32_t));
}

/* Moves the lines to the beginning of the ring. The lines must fill at most
 * half of the ring: otherwise the two parts of a wrapped ring would overlap. */
static void dedupe_move_to_front(struct relay_dedupe *dedupe)
{
	struct dedupe_line *ring = dedupe->ring;
	uint32_t before_end = dedupe->room - dedupe->first;

	if (before_end > dedupe->count)
		before_end = dedupe->count;
	memmove(ring + before_end, ring,
		(dedupe->count - before_end) * sizeof(*ring));
	memmove(ring, ring + dedupe->first, before_end * sizeof(*ring));
	dedupe->first = 0;
}

/* Shrinks in place, without allocating: memory may be short. */
static void dedupe_set_smaller(struct relay_dedupe *dedupe, uint32_t room)
{
	struct dedupe_line *ring;
	uint32_t *buckets, i;

	while (dedupe->count > room)
		dedupe_evict_oldest(dedupe);
	dedupe_move_to_front(dedupe);
	dedupe->room = room;
	ring = realloc(dedupe->ring, room * sizeof(*ring));
	if (ring != NULL)
		dedupe->ring = ring;
	buckets = realloc(dedupe->buckets, room * sizeof(*buckets));
	if (buckets != NULL)
		dedupe->buckets = buckets;
	memset(dedupe->buckets, 0, room * sizeof(*buckets));
	for (i = 0; i < dedupe->count; i++)
		dedupe_link(dedupe, i);
}

void relay_dedupe_shrink(struct relay_dedupe *dedupe, size_t memory,
			 uint64_t now_ms)
{
	uint32_t room = dedupe->room;

	while (room > RING_MIN && dedupe_memory_of(room) > memory)
		room /= 2;
	if (room == dedupe->room)
		return;
	dedupe_forget_expired(dedupe, now_ms);
	dedupe_set_smaller(dedupe, room);
}

uint32_t relay_dedupe_take_evicted(struct relay_dedupe *dedupe)
{
	uint32_t evicted = dedupe != NULL ? dedupe->evicted : 0;

	if (dedupe != NULL)
		dedupe->evicted = 0;
	return evicted;
}

size_t relay_dedupe_memory(const struct relay_dedupe *dedupe)
{
	return dedupe != NULL ? dedupe_memory_of(dedupe->room) : 0;
}

size_t relay_dedupe_memory_max(void)
{
	return dedupe_memory_of(RING_MAX);
}
