/* SPDX-License-Identifier: MIT */
/*
 * The time between attempts to connect.
 */
#pragma once

#include <stdint.h>

/* The delay before the next attempt, after this number of failures (0 and up).
 * It begins with exactly min_ms, then doubles up to max_ms; jitter shortens it,
 * but not below half of that, nor min_ms. */
uint64_t relay_backoff_ms(uint64_t min_ms, uint64_t max_ms, unsigned failures);

/* The same for a given random number. */
uint64_t relay_backoff_ms_by(uint64_t min_ms, uint64_t max_ms,
			     unsigned failures, uint32_t random);
