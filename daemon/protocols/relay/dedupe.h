/* SPDX-License-Identifier: MIT */
/*
 * Remembers the lines of the last window_ms, to drop repeats.
 */
#ifndef RELAY_DEDUPE_H
#define RELAY_DEDUPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct relay_dedupe;

/* NULL and errno. */
struct relay_dedupe *relay_dedupe_new(uint32_t window_ms);
void relay_dedupe_set_window(struct relay_dedupe *dedupe, uint32_t window_ms);
void relay_dedupe_free(struct relay_dedupe *dedupe);

/* Whether the line was seen within the window; if not, it is remembered. */
bool relay_dedupe_seen(struct relay_dedupe *dedupe, const char *text,
		       size_t len, uint64_t now_ms);

#endif
