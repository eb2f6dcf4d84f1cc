/* SPDX-License-Identifier: MIT */
/*
 * A token bucket: limits lines, connections or requests to a rate, and lets a
 * burst pass at once. The caller passes the time, and decides what happens to
 * an excess. Thread: its owner's.
 */
#ifndef LINED_RATE_H
#define LINED_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include <lined/api.h>

LINED_BEGIN_DECLS

/*
 * full_us is the time at which the bucket will be full, in microseconds of the
 * caller's clock; each token that is taken moves it later. Zeroed memory is a
 * full bucket. The rate and the burst may differ from call to call: after a
 * reload they are those of the new config.
 */
struct lined_rate {
	uint64_t full_us;
};

/*
 * Returns the milliseconds until there is a token, rounded up; 0: there is one
 * now, or per_second is 0. The result is at most the time in which one token
 * comes, even if more tokens were taken than the bucket had. burst is the
 * number of tokens in a full bucket; 0: per_second. now_ms is any clock that
 * never goes back, such as lined_dispatcher_now_ms().
 */
LINED_API uint64_t lined_rate_wait_ms(struct lined_rate *rate,
				      uint32_t per_second, uint32_t burst,
				      uint64_t now_ms);

/* Takes a token, even if there is none: the next token then comes later. */
LINED_API void lined_rate_take(struct lined_rate *rate, uint32_t per_second,
			       uint64_t now_ms);

/* Whether the bucket is full, as if nothing had ever been taken. */
LINED_API bool lined_rate_is_full(const struct lined_rate *rate,
				  uint64_t now_ms);

LINED_END_DECLS

#endif
