/* SPDX-License-Identifier: MIT */
/* The delay between attempts to connect. */
#pragma once

#include <stdint.h>

/* The delay before the next attempt after this number of failures (from 0): at
 * first exactly min_ms, then doubled each time up to max_ms. Jitter shortens a
 * delay by up to a half, but not to less than min_ms. */
uint64_t relay_backoff_ms(uint64_t min_ms, uint64_t max_ms, unsigned failures);

/* As relay_backoff_ms(), with a given random number. */
uint64_t relay_backoff_ms_by(uint64_t min_ms, uint64_t max_ms,
			     unsigned failures, uint32_t random);
