/* SPDX-License-Identifier: MIT */
/* Remembers lines for some time, to recognize repeats. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct relay_dedupe;

/* The digest of a line. It is remembered instead of the line. A client that
 * does not know the key cannot find two lines with the same digest. */
struct relay_digest {
	uint64_t a, b;
};

/* Remembers each line for window_ms, or for a shorter time if there are more
 * than a million lines. NULL and errno. */
struct relay_dedupe *relay_dedupe_new(uint32_t window_ms);
void relay_dedupe_set_window(struct relay_dedupe *dedupe, uint32_t window_ms);
void relay_dedupe_free(struct relay_dedupe *dedupe);

/* MT-safe. */
struct relay_digest relay_dedupe_digest(const struct relay_dedupe *dedupe,
					const char *text, size_t len);

/* Whether the line was remembered less than window_ms ago; otherwise remembers
 * it now. If the memory is full and may not grow, the oldest line is forgotten.
 */
bool relay_dedupe_seen(struct relay_dedupe *dedupe,
		       const struct relay_digest *digest, uint32_t window_ms,
		       uint64_t now_ms, bool may_grow);

/* Forgets the oldest lines until at most `memory` bytes are used, or until the
 * memory has its minimum: each step halves the memory. */
void relay_dedupe_shrink(struct relay_dedupe *dedupe, size_t memory,
			 uint64_t now_ms);

/* The number of lines forgotten within their window since the last call. dedupe
 * may be NULL. */
uint32_t relay_dedupe_take_evicted(struct relay_dedupe *dedupe);

/* The bytes used now, and the most. dedupe may be NULL. */
size_t relay_dedupe_memory(const struct relay_dedupe *dedupe);
size_t relay_dedupe_memory_max(void);
