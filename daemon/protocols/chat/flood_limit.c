/* SPDX-License-Identifier: MIT */
/*
 * A token bucket that also counts lines over the rate. A client with an empty
 * bucket is slowed to the rate. After more than a burst of lines over the rate
 * the client is muted; after more than a burst while muted it is closed. A full
 * bucket resets the count.
 */
#include "chat/flood_limit.h"

enum chat_flood_verdict chat_flood_take(struct chat_flood *flood, uint32_t rate,
					uint32_t burst, uint64_t now_ms,
					uint64_t *wait_ms)
{
	bool over;

	*wait_ms = 0;
	if (rate == 0)
		return CHAT_FLOOD_TAKE;
	if (now_ms < flood->muted_until_ms)
		return ++flood->over > burst ? CHAT_FLOOD_CLOSE
					     : CHAT_FLOOD_DROP;
	if (lined_rate_is_full(&flood->lines, now_ms)) {
		flood->over = 0;
		flood->told = false;
	}
	over = lined_rate_wait_ms(&flood->lines, rate, burst, now_ms) > 0;
	lined_rate_take(&flood->lines, rate, now_ms);
	if (!over)
		return CHAT_FLOOD_TAKE;
	if (++flood->over > burst) {
		flood->muted_until_ms = now_ms + CHAT_FLOOD_MUTE_MS;
		flood->over = 0;
		return CHAT_FLOOD_MUTE;
	}
	/* Wait until the debt of tokens is paid. The next line is again over
	 * the rate, unless the client pauses longer. */
	*wait_ms = lined_rate_wait_ms(&flood->lines, rate, burst + 1, now_ms);
	if (flood->told)
		return CHAT_FLOOD_TAKE;
	flood->told = true;
	return CHAT_FLOOD_SLOW;
}
