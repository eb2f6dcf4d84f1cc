/* SPDX-License-Identifier: MIT */
/*
 * A leaking bucket with a memory: whoever has used up its credit is read at the
 * rate; whoever goes on through as many lines as a burst has is muted; whoever
 * then still sends as many is closed. A full bucket forgives everything.
 */
#include "chat/flood.h"

void chat_flood_init(struct chat_flood *flood, int64_t burst, uint64_t now_ms)
{
	*flood = (struct chat_flood){
		.credit = burst * 1000,
		.at_ms = now_ms,
	};
}

static void refill(struct chat_flood *flood, int64_t rate, int64_t burst,
		   uint64_t now_ms)
{
	int64_t passed_ms = (int64_t)(now_ms - flood->at_ms);
	int64_t missing = burst * 1000 - flood->credit;

	flood->at_ms = now_ms;
	/* A line a second gives a thousandth of a line each millisecond. */
	if (passed_ms < missing / rate + 1)
		flood->credit += passed_ms * rate;
	else
		flood->credit += missing;
	if (flood->credit < burst * 1000)
		return;
	flood->credit = burst * 1000;
	flood->over = 0;
	flood->told = false;
}

enum chat_flood_verdict chat_flood_take(struct chat_flood *flood, int64_t rate,
					int64_t burst, uint64_t now_ms,
					uint64_t *wait_ms)
{
	*wait_ms = 0;
	if (rate == 0)
		return CHAT_FLOOD_TAKE;
	if (now_ms < flood->muted_until_ms)
		return ++flood->over > burst ? CHAT_FLOOD_CLOSE
					     : CHAT_FLOOD_DROP;
	refill(flood, rate, burst, now_ms);
	flood->credit -= 1000;
	if (flood->credit >= 0)
		return CHAT_FLOOD_TAKE;
	if (++flood->over > burst) {
		flood->muted_until_ms = now_ms + CHAT_FLOOD_MUTE_MS;
		flood->over = 0;
		return CHAT_FLOOD_MUTE;
	}
	*wait_ms = (uint64_t)((-flood->credit + rate - 1) / rate);
	if (flood->told)
		return CHAT_FLOOD_TAKE;
	flood->told = true;
	return CHAT_FLOOD_SLOW;
}
