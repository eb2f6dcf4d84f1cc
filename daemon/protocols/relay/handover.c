/* SPDX-License-Identifier: MIT */
#include "relay/handover.h"

#include <stdio.h>

#include "relay/relay.h"

/* How long to wait for the previous instance. */
#define TURN_MS 2000

int relay_turn_open(struct relay_turn *turn, const struct relay *relay,
		    uint64_t now_ms)
{
	char name[120];

	snprintf(name, sizeof(name), "relay upstreams of %s",
		 lined_service_name(relay->service));
	turn->leaving = lined_shared_get(relay->service, name, sizeof(int32_t));
	turn->end_ms = now_ms + TURN_MS;
	return turn->leaving != NULL ? 0 : -1;
}

static void turn_count_leaving(struct relay_turn *turn, int more)
{
	int32_t *leaving = lined_shared_lock(turn->leaving);

	*leaving += more;
	lined_shared_unlock(turn->leaving);
}

void relay_turn_close(struct relay_turn *turn)
{
	if (turn->leaves)
		turn_count_leaving(turn, -1);
	lined_shared_put(turn->leaving, NULL);
}

bool relay_turn_waits(struct relay_turn *turn, uint64_t now_ms)
{
	const int32_t *leaving;

	if (turn->end_ms == 0)
		return false;
	leaving = lined_shared_lock(turn->leaving);
	if (*leaving == 0 || now_ms >= turn->end_ms)
		turn->end_ms = 0;
	lined_shared_unlock(turn->leaving);
	return turn->end_ms != 0;
}

void relay_turn_take(struct relay_turn *turn)
{
	turn->end_ms = 0;
}

void relay_turn_leave(struct relay_turn *turn)
{
	turn->leaves = true;
	turn_count_leaving(turn, 1);
}
