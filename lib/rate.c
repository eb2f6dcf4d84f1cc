/* SPDX-License-Identifier: MIT */
/*
 * Limits a rate by the generic cell rate algorithm: a bucket is one point in
 * time and needs no timer that fills it.
 */
#include "config.h"

#include <lined/rate.h>

/* The time in which one token comes. */
static uint64_t rate_step_us(uint32_t per_second)
{
	return per_second < 1000000 ? 1000000 / per_second : 1;
}

uint64_t lined_rate_wait_ms(struct lined_rate *rate, uint32_t per_second,
			    uint32_t burst, uint64_t now_ms)
{
	uint64_t step_us, ready_us;

	if (per_second == 0)
		return 0;
	step_us = rate_step_us(per_second);
	/* The latest full_us of a bucket that has a token now. */
	ready_us = now_ms * 1000 +
		   ((burst > 0 ? burst : per_second) - 1) * step_us;
	/* The wait is at most the time of one token. Without this bound, tokens
	 * that were taken at a slower rate would delay the first token at a
	 * faster rate. */
	if (rate->full_us > ready_us + step_us)
		rate->full_us = ready_us + step_us;
	return rate->full_us > ready_us
		       ? (rate->full_us - ready_us + 999) / 1000
		       : 0;
}

void lined_rate_take(struct lined_rate *rate, uint32_t per_second,
		     uint64_t now_ms)
{
	if (per_second == 0)
		return;
	if (lined_rate_is_full(rate, now_ms))
		rate->full_us = now_ms * 1000;
	rate->full_us += rate_step_us(per_second);
}

bool lined_rate_is_full(const struct lined_rate *rate, uint64_t now_ms)
{
	return rate->full_us <= now_ms * 1000;
}
