/* SPDX-License-Identifier: MIT */
/*
 * Counts the instances of a service that are leaving its upstreams, in memory
 * that all workers share.
 */
#include "relay/handover.h"

#include <stdio.h>

#include "relay/relay.h"

/* How long to wait for the previous instance. */
#define HANDOVER_MS 2000

int relay_handover_open(struct relay_handover *handover,
			const struct relay *relay)
{
	char name[120];

	snprintf(name, sizeof(name), "relay upstreams of %s",
		 lined_service_name(relay->service));
	handover->leaving =
		lined_shared_get(relay->service, name, sizeof(int32_t));
	handover->end_ms = relay_now_ms(relay) + HANDOVER_MS;
	return handover->leaving != NULL ? 0 : -1;
}

static void handover_count_leaving(struct relay_handover *handover, int more)
{
	int32_t *leaving = lined_shared_lock(handover->leaving);

	*leaving += more;
	lined_shared_unlock(handover->leaving);
}

void relay_handover_close(struct relay_handover *handover)
{
	if (handover->leaves)
		handover_count_leaving(handover, -1);
	lined_shared_put(handover->leaving, NULL);
}

bool relay_handover_waits(struct relay_handover *handover,
			  const struct relay *relay)
{
	const int32_t *leaving;

	if (handover->end_ms == 0)
		return false;
	leaving = lined_shared_lock(handover->leaving);
	if (*leaving == 0 || relay_now_ms(relay) >= handover->end_ms)
		handover->end_ms = 0;
	lined_shared_unlock(handover->leaving);
	return handover->end_ms != 0;
}

void relay_handover_leave(struct relay_handover *handover)
{
	handover->leaves = true;
	handover_count_leaving(handover, 1);
}
