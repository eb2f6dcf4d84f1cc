/* SPDX-License-Identifier: MIT */
/*
 * Computes the delay before the next attempt to connect: longer with each
 * failure, and shortened at random.
 */
#include "relay/backoff.h"

#include <sys/random.h>

uint64_t relay_backoff_ms_by(uint64_t min_ms, uint64_t max_ms,
			     unsigned failures, uint32_t random)
{
	uint64_t most = min_ms, least;

	if (failures == 0)
		return min_ms;
	while (failures-- > 0 && most < max_ms)
		most *= 2;
	if (most > max_ms)
		most = max_ms;
	least = most / 2 > min_ms ? most / 2 : min_ms;
	if (least > most)
		least = most;
	return least + random % (most - least + 1);
}

uint64_t relay_backoff_ms(uint64_t min_ms, uint64_t max_ms, unsigned failures)
{
	uint32_t random;

	/* Without a random number there is no jitter, and all services that
	 * lost an upstream at the same time try again at the same time. */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(random))
		random = UINT32_MAX;
	return relay_backoff_ms_by(min_ms, max_ms, failures, random);
}
