/* SPDX-License-Identifier: MIT */
/*
 * A token bucket: how many lines, connections or requests a second, and how
 * many of them at once. It asks no clock and knows neither what it counts nor
 * what is done about an excess. Thread: its owner's.
 */
#ifndef LINED_RATE_H
#define LINED_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include <lined/api.h>

LINED_BEGIN_DECLS

/*
 * When the bucket will be full, in microseconds; each token that is taken moves
 * that on. Zeroed memory is a full bucket. The rate and the burst may be others
 * in each call: after a reload those of the new config.
 */
struct lined_rate {
	uint64_t full_us;
};

/*
 * How many milliseconds until there is a token, rounded up; 0: there is one
 * now. per_second 0: there always is. burst is how many a full bucket holds; 0:
 * as many as come in a second. now_ms is any clock that never goes back, such
 * as lined_dispatcher_now_ms().
 */
LINED_API uint64_t lined_rate_wait_ms(struct lined_rate *rate,
				      uint32_t per_second, uint32_t burst,
				      uint64_t now_ms);

/* Takes a token, even where there is none: the next one comes later then. */
LINED_API void lined_rate_take(struct lined_rate *rate, uint32_t per_second,
			       uint64_t now_ms);

/* Whether the bucket is full, as if nothing had ever been taken. */
LINED_API bool lined_rate_is_full(const struct lined_rate *rate,
				  uint64_t now_ms);

LINED_END_DECLS

#endif
