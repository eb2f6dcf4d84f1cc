/* SPDX-License-Identifier: MIT */
/*
 * Remembers lines for some time, to drop repeats.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct relay_dedupe;

/* A line as it is remembered. Without the key nobody can make two lines with
 * the same digest. */
struct relay_digest {
	uint64_t a, b;
};

/* Remembers each line for window_ms, or less if there are more than a million.
 * NULL and errno. */
struct relay_dedupe *relay_dedupe_new(uint32_t window_ms);
void relay_dedupe_set_window(struct relay_dedupe *dedupe, uint32_t window_ms);
void relay_dedupe_free(struct relay_dedupe *dedupe);

/* MT-safe. */
struct relay_digest relay_dedupe_digest(const struct relay_dedupe *dedupe,
					const char *text, size_t len);

/* Whether the line was remembered less than window_ms ago; if not, it is
 * remembered now. Without may_grow, the oldest makes room. */
bool relay_dedupe_seen(struct relay_dedupe *dedupe,
		       const struct relay_digest *digest, uint32_t window_ms,
		       uint64_t now_ms, bool may_grow);

/* Forgets the oldest lines until it takes at most so many bytes, or the least
 * that it can: its memory is halved each time. */
void relay_dedupe_shrink(struct relay_dedupe *dedupe, size_t memory,
			 uint64_t now_ms);

/* Returns how many lines were forgotten within their window since the last
 * call. */
uint32_t relay_dedupe_take_evicted(struct relay_dedupe *dedupe);

/* The bytes that it takes now, and at most. NULL is allowed. */
size_t relay_dedupe_memory(const struct relay_dedupe *dedupe);
size_t relay_dedupe_memory_max(void);
